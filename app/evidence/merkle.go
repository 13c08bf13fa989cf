package evidence

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/merkle"
)

// Root is the Merkle root over an item's events (contract 07 §6).
type Root struct {
	DFID       string
	Hash       string // 64 hex digits
	EventCount int64
	ComputedAt time.Time
}

func noEvents(dfid string) error {
	return app.NotFound(app.ReasonNoEvents, "No events found for item").With("dfid", dfid)
}

func notPublic(dfid string) error {
	return app.NotFound(app.ReasonItemNotPublic, "Item not found in any public circuit").With("dfid", dfid)
}

// ItemRoot returns the root over the item's events. ReasonNoEvents when there
// are none, and also when the item is not the caller's to read.
func (s *Service) ItemRoot(ctx context.Context, who app.Actor, dfid string) (Root, error) {
	return s.root(ctx, who, dfid, noEvents(dfid))
}

// PublicItemRoot is ItemRoot for everybody; ReasonItemNotPublic for items that
// no openly accessible circuit publishes.
func (s *Service) PublicItemRoot(ctx context.Context, dfid string) (Root, error) {
	return s.root(ctx, everybody(), dfid, notPublic(dfid))
}

func (s *Service) root(ctx context.Context, who app.Actor, dfid string, absent error) (Root, error) {
	it, err := s.store.Item(ctx, dfid)
	if app.CodeOf(err) == app.CodeNotFound {
		return Root{}, absent
	}
	if err != nil {
		return Root{}, err
	}
	if !app.OwnsItem(who, it) {
		err := s.reach(ctx, who, dfid, absent, func(_ app.Reader, now *app.Item, _ view) error {
			it = now
			return nil
		})
		if err != nil {
			return Root{}, err
		}
	}
	if it.MerkleRoot == "" {
		return Root{}, noEvents(dfid)
	}
	return Root{DFID: it.DFID, Hash: it.MerkleRoot, EventCount: it.EventCount, ComputedAt: s.env.Now()}, nil
}

// EventProof proves that an event is among the item's. ReasonNoEvents as
// ItemRoot; ReasonEventNotFound when the event is not the item's.
func (s *Service) EventProof(ctx context.Context, who app.Actor, dfid string, eventID uuid.UUID) (merkle.Proof, error) {
	return s.proof(ctx, who, dfid, eventID, noEvents(dfid))
}

// PublicEventProof is EventProof for everybody; ReasonItemNotPublic as
// PublicItemRoot.
func (s *Service) PublicEventProof(ctx context.Context, dfid string, eventID uuid.UUID) (merkle.Proof, error) {
	return s.proof(ctx, everybody(), dfid, eventID, notPublic(dfid))
}

func (s *Service) proof(ctx context.Context, who app.Actor, dfid string, eventID uuid.UUID, absent error) (merkle.Proof, error) {
	unknown := app.NotFound(app.ReasonEventNotFound, "Failed to generate proof: Event %s not found in item %s", eventID, dfid)
	var (
		leaves []string
		leaf   string
	)
	err := s.reach(ctx, who, dfid, absent, func(r app.Reader, it *app.Item, _ view) (err error) {
		if it.EventCount == 0 {
			return noEvents(dfid)
		}
		if leaf, err = r.Events().Leaf(it.DFID, eventID); err != nil {
			return err
		}
		leaves, err = r.Events().Leaves(it.DFID)
		return err
	})
	if app.ReasonOf(err) == app.ReasonEventNotFound {
		return merkle.Proof{}, unknown
	}
	if err != nil {
		return merkle.Proof{}, err
	}
	proof, ok := merkle.Prove(leaves, leaf)
	if !ok {
		return merkle.Proof{}, unknown
	}
	return proof, nil
}

// Claim is a proof that somebody holds against a root.
type Claim struct {
	LeafHash     string
	LeafIndex    *int // nil when the holder did not keep it
	Siblings     []merkle.Step
	ExpectedRoot string
}

// Verify reports whether the claim holds. A proof binds a hash: whoever relies
// on it must compute the leaf from the event himself. Inner nodes hash like
// leaves, so when the index is given the path must also lead to that index and
// the leaf must not be the root itself.
func Verify(c Claim) bool {
	if c.LeafIndex != nil {
		return merkle.VerifyAt(c.LeafHash, *c.LeafIndex, c.Siblings, c.ExpectedRoot)
	}
	return merkle.Verify(c.LeafHash, c.Siblings, c.ExpectedRoot)
}

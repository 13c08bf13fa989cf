package api

import (
	"context"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/evidence"
	"github.com/defarm-repo/defarm/app/merkle"
)

// merkleHandlers serves Merkle roots and proofs of items (contract 07 §6), the
// public ones too, and the events that they cover (contract 05 E4).
type merkleHandlers struct{ svc *evidence.Service }

func (h merkleHandlers) register(r *registrar) {
	family := together(tag("Evidence"), unauthText("Authentication required"))
	get(r, "/api/merkle/items/{dfid}/merkle-root", scopeUser, h.root, family,
		summary("Merkle root over an item's events"))
	get(r, "/api/merkle/items/{dfid}/merkle-proof/{event_id}", scopeUser, h.proof, family,
		summary("Proof that an event is among an item's"))
	post(r, "/api/merkle/verify-proof", scopeUser, h.verify, family,
		summary("Verify a proof"), describe(verifyText))
	get(r, "/api/public/merkle/items/{dfid}/merkle-root", scopePublic, h.publicRoot, family,
		summary("Merkle root over a published item's events"))
	get(r, "/api/public/merkle/items/{dfid}/merkle-proof/{event_id}", scopePublic, h.publicProof, family,
		summary("Proof that an event is among a published item's"))
	post(r, "/api/public/merkle/verify-proof", scopePublic, h.verify, family,
		summary("Verify a proof, without a login"), describe(verifyText))
	get(r, "/api/events/item/{dfid}", scopeUser, h.events, tag("Events"),
		summary("Events of an item, newest first"),
		describe("Those that you may read; none for an item that you may not."))
	get(r, "/api/items/{dfid}/events", scopeUser, h.events, tag("Events"),
		summary("Events of an item, newest first (other path)"),
		describe("As /api/events/item/{dfid}."))
}

const verifyText = "Pure computation: nothing is looked up. A proof binds a hash: compute the leaf from the event yourself. " +
	"With `leaf_index` the path is also checked against the index, which keeps an inner node from passing as a leaf."

type itemRootJSON struct {
	DFID       string `json:"dfid"`
	Root       string `json:"merkle_root" doc:"BLAKE3, 64 hex digits."`
	EventCount int64  `json:"event_count"`
	ComputedAt string `json:"computed_at" doc:"RFC 3339."`
}

type itemRootReplyJSON struct {
	Success bool         `json:"success"`
	Data    itemRootJSON `json:"data"`
}

func itemRootFrom(root evidence.Root, err error) (*reply[itemRootReplyJSON], error) {
	if err != nil {
		return nil, err
	}
	return respond(itemRootReplyJSON{Success: true, Data: itemRootJSON{
		DFID: root.DFID, Root: root.Hash, EventCount: root.EventCount, ComputedAt: app.FormatZ(root.ComputedAt),
	}}, nil)
}

func (h merkleHandlers) root(ctx context.Context, in *ItemPath) (*reply[itemRootReplyJSON], error) {
	return itemRootFrom(h.svc.ItemRoot(ctx, actor(ctx), in.DFID))
}

func (h merkleHandlers) publicRoot(ctx context.Context, in *ItemPath) (*reply[itemRootReplyJSON], error) {
	return itemRootFrom(h.svc.PublicItemRoot(ctx, in.DFID))
}

type eventProofPath struct {
	ItemPath
	EventID string `path:"event_id" doc:"Event id (UUID)."`
}

type eventProofJSON struct {
	Success bool         `json:"success"`
	Proof   merkle.Proof `json:"proof"`
	DFID    string       `json:"item_dfid"`
	EventID string       `json:"event_id"`
}

func (h merkleHandlers) proof(ctx context.Context, in *eventProofPath) (*reply[eventProofJSON], error) {
	id, err := pathUUID("event_id", in.EventID)
	if err != nil {
		return nil, err
	}
	proof, err := h.svc.EventProof(ctx, actor(ctx), in.DFID, id)
	return respond(eventProofJSON{Success: true, Proof: proof, DFID: in.DFID, EventID: id.String()}, err)
}

func (h merkleHandlers) publicProof(ctx context.Context, in *eventProofPath) (*reply[eventProofJSON], error) {
	id, err := pathUUID("event_id", in.EventID)
	if err != nil {
		return nil, err
	}
	proof, err := h.svc.PublicEventProof(ctx, in.DFID, id)
	return respond(eventProofJSON{Success: true, Proof: proof, DFID: in.DFID, EventID: id.String()}, err)
}

type proofStepJSON struct {
	Hash     string `json:"hash"`
	Position string `json:"position" enum:"Left,Right" doc:"The side that the sibling stands on."`
}

type verifyProofInput struct {
	Body struct {
		Proof struct {
			LeafHash  string          `json:"leaf_hash"`
			LeafIndex *int            `json:"leaf_index,omitempty" minimum:"0" doc:"Place among the sorted leaves, from 0."`
			Siblings  []proofStepJSON `json:"siblings" doc:"From the leaf upwards."`
			Root      string          `json:"root,omitempty" doc:"Not looked at."`
		} `json:"proof"`
		ExpectedRoot string `json:"expected_root" doc:"The root that the verifier trusts."`
	}
}

func (in *verifyProofInput) claim() evidence.Claim {
	p := in.Body.Proof
	c := evidence.Claim{
		LeafHash: p.LeafHash, LeafIndex: p.LeafIndex, ExpectedRoot: in.Body.ExpectedRoot,
		Siblings: make([]merkle.Step, len(p.Siblings)),
	}
	for i, s := range p.Siblings {
		c.Siblings[i] = merkle.Step(s)
	}
	return c
}

type verdictJSON struct {
	Valid   bool   `json:"valid"`
	Message string `json:"message"`
}

func (merkleHandlers) verify(_ context.Context, in *verifyProofInput) (*reply[verdictJSON], error) {
	if evidence.Verify(in.claim()) {
		return respond(verdictJSON{true, "Proof is valid - leaf exists in tree with expected root"}, nil)
	}
	return respond(verdictJSON{false, "Proof is invalid - verification failed"}, nil)
}

package items

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// PendingFilter selects pending items.
type PendingFilter struct {
	// Reason is a part of the reason's debug text, in the same case; "" for
	// any.
	Reason      string
	PriorityMin int
}

// Pending lists the caller's pending items, the most urgent first; an
// administrator sees everybody's.
func (s *Service) Pending(ctx context.Context, who app.Actor, f PendingFilter, p app.Page) ([]*app.PendingItem, error) {
	rows := app.PendingItemFilter{OwnerID: who.UserID, PriorityMin: f.PriorityMin}
	if who.IsAdmin {
		rows.OwnerID = ""
	}
	var out []*app.PendingItem
	err := s.store.Read(ctx, func(r app.Reader) (err error) {
		out, err = app.FilterPage(p, func(at app.Page) ([]*app.PendingItem, error) {
			return r.PendingItems().List(rows, at)
		}, func(p *app.PendingItem) (bool, error) {
			return f.Reason == "" || strings.Contains(p.Reason.DebugText(), f.Reason), nil
		})
		return err
	})
	return out, err
}

// PendingItem returns one pending item to its creator or an administrator;
// ReasonPendingNotFound.
func (s *Service) PendingItem(ctx context.Context, who app.Actor, id uuid.UUID) (*app.PendingItem, error) {
	var p *app.PendingItem
	err := s.store.Read(ctx, func(r app.Reader) (err error) {
		p, err = pendingOf(r.PendingItems(), who, id)
		return err
	})
	return p, err
}

func pendingOf(rows app.PendingItemReads, who app.Actor, id uuid.UUID) (*app.PendingItem, error) {
	p, err := rows.ByID(id)
	if err == nil && p.OwnerID != who.UserID && !who.IsAdmin {
		err = app.NotFound(app.ReasonPendingNotFound, "Pending item not found")
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Approve tries to create the pending item once more. It returns the item, and
// the pending one is gone; or nil when it is still not possible: then the
// pending item stays, one step more urgent, with the reason of now.
//
// Errors: ReasonPendingNotFound, and those of Create that are not about the
// content.
func (s *Service) Approve(ctx context.Context, who app.Actor, id uuid.UUID) (*app.Item, error) {
	t := s.tracing(who)
	var item *app.Item
	err := s.store.Write(ctx, func(tx app.Tx) error {
		p, err := pendingOf(tx.PendingItems(), who, id)
		if err != nil {
			return err
		}
		t.owner, t.workspace = p.OwnerID, p.WorkspaceID
		it, reason, err := t.resolve(tx, Input{Identifiers: p.Identifiers, Data: p.Data, SourceEntry: p.SourceEntry})
		switch {
		case err != nil:
			return err
		case reason == nil:
			item = it
			return tx.PendingItems().Delete(p)
		}
		p.Reason, p.Priority = *reason, min(p.Priority+1, app.MaxPendingPriority)
		p.Retries++
		p.UpdatedAt = t.now
		return tx.PendingItems().Update(p)
	})
	if err != nil {
		return nil, err
	}
	return item, nil
}

// Reject drops a pending item. ReasonPendingNotFound.
func (s *Service) Reject(ctx context.Context, who app.Actor, id uuid.UUID) error {
	return s.store.Write(ctx, func(tx app.Tx) error {
		p, err := pendingOf(tx.PendingItems(), who, id)
		if err != nil {
			return err
		}
		return tx.PendingItems().Delete(p)
	})
}

// PendingChange replaces parts of a pending item; nil keeps what is there.
type PendingChange struct {
	Identifiers []app.Identifier
	Data        map[string]json.RawMessage
}

// Modify changes a pending item, which stays pending, and looks for the reason
// anew. Without one it keeps the old reason and waits with the lowest priority
// for somebody to approve it.
//
// Errors: ReasonPendingNotFound, ReasonTooManyElements, ReasonForbiddenText.
func (s *Service) Modify(ctx context.Context, who app.Actor, id uuid.UUID, c PendingChange) error {
	if err := app.CheckIdentifiers(c.Identifiers); err != nil {
		return err
	}
	t := s.tracing(who)
	return s.store.Write(ctx, func(tx app.Tx) error {
		p, err := pendingOf(tx.PendingItems(), who, id)
		if err != nil {
			return err
		}
		if c.Identifiers != nil {
			p.Identifiers = withNamespace(c.Identifiers)
		}
		if c.Data != nil {
			p.Data = c.Data
		}
		t.owner, t.workspace = p.OwnerID, p.WorkspaceID
		reason, err := t.inspect(tx, p)
		if err != nil {
			return err
		}
		p.Priority = 1
		if reason != nil {
			p.Reason, p.Priority = *reason, reason.Priority()
		}
		p.UpdatedAt = t.now
		return tx.PendingItems().Update(p)
	})
}

// inspect finds the reason why a pending item is one, and changes nothing.
func (t *tracing) inspect(tx app.Tx, p *app.PendingItem) (*app.PendingReason, error) {
	ids := app.UnionIdentifiers(nil, p.Identifiers)
	if reason := inspectIdentifiers(ids); reason != nil {
		return reason, nil
	}
	if _, reason, err := t.match(tx, ids); err != nil || reason != nil {
		return reason, err
	}
	return inspectData(Input{Data: p.Data}), nil
}

package items

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/quota"
)

// LocalInput describes a local item.
type LocalInput struct {
	// Identifiers are kept as given: their form is checked when the item is
	// pushed, because they are captured offline. Those without a namespace
	// get the circuit's then.
	Identifiers []app.Identifier
	// Data is top-level key to canonical JSON value.
	Data map[string]json.RawMessage
}

// CreateLocal stores a local item of the caller's and returns it. It always
// makes a new one. The caller's history notes it in the same change.
//
// Errors: ReasonTooManyElements, ReasonForbiddenText; ReasonTierLimit and
// ReasonInsufficientCredits where they are enforced.
func (s *Service) CreateLocal(ctx context.Context, who app.Actor, in LocalInput) (*app.Item, error) {
	if err := app.CheckIdentifiers(in.Identifiers); err != nil {
		return nil, err
	}
	now, localID := s.env.Now(), s.env.NewID()
	it := &app.Item{
		DFID: app.LocalPrefix + localID.String(), LocalID: &localID,
		OwnerID: who.UserID, WorkspaceID: who.WorkspaceID,
		Identifiers: in.Identifiers, Data: in.Data,
		CreatedAt: now, ModifiedAt: now, SourceEntries: []uuid.UUID{s.env.NewID()},
		Confidence: 1, Status: app.ItemActive,
	}
	note := app.UserActivity{
		ID: s.env.NewID(), UserID: who.UserID, WorkspaceID: who.WorkspaceID, At: now,
		Type: "Create", Category: "Items", ResourceType: "Item", ResourceID: localID.String(),
		Action: "create_local_item", Description: "Created local item with ID: " + localID.String(),
		Success: true, Address: who.Address, Agent: who.Agent,
	}
	err := s.store.Write(ctx, func(tx app.Tx) error {
		err := s.quota.Take(tx, who, quota.Work{
			Operation: app.TierCreateItems, Cost: app.CreditItemCreation, ID: localID.String(),
		})
		if err != nil {
			return err
		}
		if err := tx.Items().Insert(it); err != nil {
			return err
		}
		return tx.Activities().InsertUser(note)
	})
	if err != nil {
		return nil, err
	}
	return it, nil
}

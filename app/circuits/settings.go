package circuits

import (
	"context"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// SetPublic replaces a circuit's public settings and makes it public. What is
// published stays when the input does not say; so does the password of a
// circuit that was and remains protected.
//
// Errors: ReasonPublicSettings (422), ReasonCircuitNotFound,
// ReasonCircuitPermission, CodeBusy.
func (s *Service) SetPublic(ctx context.Context, who app.Actor, id uuid.UUID, in PublicInput) (View, error) {
	known, err := s.store.Circuit(ctx, id)
	if err != nil && app.CodeOf(err) != app.CodeNotFound {
		return View{}, err
	}
	// Decided again by the write: here it spares a stranger's password.
	if err == nil {
		err = allowed(gateOf(known, who), who, app.WorkSettings)
	}
	// The contract checks the input before it looks for the circuit. Who may not
	// set them is told nothing of the settings that are there.
	var stored *app.PublicSettings
	if err == nil {
		stored = known.Public
	}
	next, invalid := publicSettings(in, stored)
	if invalid != nil {
		return View{}, invalid
	}
	if err != nil {
		return View{}, err
	}
	if next.PasswordHash, err = s.hashPassword(ctx, in); err != nil {
		return View{}, err
	}
	return s.change(ctx, who, id, app.WorkSettings, func(c *changing) error {
		if err := c.setPublic(in, next); err != nil {
			return err
		}
		return c.note("Update", "update_public_settings", "Updated the public settings of circuit: "+c.circuit.Name)
	})
}

// PublicSettings returns the circuit to those who may change its settings, and
// to administrators; Public is nil when it has none.
//
// Errors: ReasonCircuitNotFound, ReasonCircuitPermission.
func (s *Service) PublicSettings(ctx context.Context, who app.Actor, id uuid.UUID) (View, error) {
	return s.readable(ctx, who, id, app.WorkSeeSettings)
}

// setPublic stores the settings; next is the caller's to change.
func (c *changing) setPublic(in PublicInput, next *app.PublicSettings) error {
	stored := c.circuit.Public
	if _, given := in.password(); !given && next.AccessMode == app.AccessProtected {
		if !keepsPassword(stored) {
			return errPasswordRequired() // it was taken away a moment ago
		}
		next.PasswordHash = stored.PasswordHash
	}
	switch {
	case stored != nil && stored.PublicSince != nil:
		next.PublicSince = stored.PublicSince
	case next.AccessMode == app.AccessPublic: // contract 03 R6
		next.PublicSince = &c.now
	}
	c.circuit.Public, c.circuit.Permissions.AllowPublicVisibility, c.circuit.ModifiedAt = next, true, c.now
	if err := c.tx.Circuits().Update(c.circuit); err != nil {
		return err
	}
	if in.PublishedItems == nil {
		return nil
	}
	return c.publishOnly(in.PublishedItems)
}

// publishOnly makes the published items those of the list. What was published
// keeps its place, what is new follows.
func (c *changing) publishOnly(dfids []string) error {
	held, err := c.tx.Circuits().Held(c.circuit.Row, dfids)
	if err != nil {
		return err
	}
	rows := make([]int64, len(dfids))
	for i, dfid := range dfids {
		place, ok := held[dfid]
		if !ok {
			return publicError("Published items must be items of the circuit", map[string]any{
				"field": "published_items", "provided_value": dfid,
				"issue": "published_items must be DFIDs of items that are in the circuit",
			})
		}
		rows[i] = place.ItemRow
	}
	if err := c.tx.Circuits().Unpublish(c.circuit.Row, rows); err != nil {
		return err
	}
	for _, row := range rows {
		if err := c.tx.Circuits().Publish(c.circuit.Row, row, c.now); err != nil {
			return err
		}
	}
	return nil
}

package api

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/circuits"
)

// settingsHandlers serves the settings of a circuit's public face (contract 03
// §4.1).
type settingsHandlers struct{ svc *circuits.Service }

func (h settingsHandlers) register(r *registrar) {
	family := together(tag("Circuits"), busyText(circuitBusyText))
	put(r, "/api/circuits/{id}/public-settings", scopeUser, h.set, family,
		summary("Replace a circuit's public settings and make it public"),
		describe("Needs ManagePermissions. The settings may stand under `public_settings` or by themselves. All of them are replaced, "+
			"except that published items stay when the field is absent, and so does the password of a circuit that remains protected."))
	get(r, "/api/circuits/{id}/public-settings", scopeUser, h.get, family,
		summary("Read a circuit's public settings"), describe("Needs ManagePermissions."))
}

// PublicInputFields are the settings where they stand by themselves.
type PublicInputFields = publicInputJSON

type setPublicInput struct {
	CircuitIDPath
	Body struct {
		PublicInputFields
		Wrapped *publicInputJSON `json:"public_settings,omitempty" doc:"The settings; the fields beside it count when it is absent"`
	}
}

// dataJSON is an answer under data.
type dataJSON[T any] struct {
	Success bool `json:"success"`
	Data    T    `json:"data"`
}

func (h settingsHandlers) set(ctx context.Context, in *setPublicInput) (*reply[dataJSON[circuitJSON]], error) {
	id, err := in.settingsID()
	if err != nil {
		return nil, err
	}
	settings := in.Body.Wrapped
	if settings == nil {
		settings = &in.Body.PublicInputFields
	}
	v, err := h.svc.SetPublic(ctx, actor(ctx), id, *settings.toApp())
	if err != nil {
		return nil, updateFailed(err)
	}
	return respond(dataJSON[circuitJSON]{Success: true, Data: circuitFrom(v)}, nil)
}

// settingsID is circuitID with the shape that errors have on this route.
func (p CircuitIDPath) settingsID() (uuid.UUID, error) {
	id, err := p.circuitID()
	if err != nil {
		return id, app.Invalid(app.ReasonBadCircuitID, "validation_error").
			With("message", "Invalid circuit ID format").
			With("details", map[string]any{"field": "circuit_id", "issue": "Must be a valid UUID"})
	}
	return id, nil
}

// updateFailed gives errors about the circuit the shape of this route: a code
// under error, the text under message, 400 for all of them.
func updateFailed(err error) error {
	err = refused("Failed to update public settings: ", err)
	var e *app.Error
	if !errors.As(err, &e) || e.Code != app.CodeInvalid {
		return err
	}
	c := e.With("message", e.Message)
	c.Message = "update_failed"
	return c
}

func (h settingsHandlers) get(ctx context.Context, in *CircuitIDPath) (*reply[dataJSON[*publicSettingsJSON]], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	v, err := h.svc.PublicSettings(ctx, actor(ctx), id)
	if err != nil {
		return nil, err
	}
	return respond(dataJSON[*publicSettingsJSON]{Success: true, Data: publicSettingsFrom(v)}, nil)
}

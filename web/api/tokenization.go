package api

import (
	"context"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/circuits"
)

// tokenizationHandlers serves the routes that turn local items into traced
// ones (contract 04 §1).
type tokenizationHandlers struct{ svc *circuits.Service }

func (h tokenizationHandlers) register(r *registrar) {
	post(r, "/api/circuits/{id}/push-local", scopeUser, h.pushLocal, tag("Tokenization"), busyText(circuitBusyText),
		summary("Tokenize a local item into a circuit"),
		describe("Finds the traced item that the identifiers name, or makes one with a fresh DFID, and puts it into the circuit. Repeating a call with the same local id gives the same DFID."))
}

type pushLocalInput struct {
	CircuitIDPath
	Body struct {
		LocalID     string         `json:"local_id" doc:"Local id (LID) of the item, a UUID; one that this server never gave out is accepted together with identifiers."`
		Identifiers identifierList `json:"identifiers,omitempty" doc:"Added to those of the local item."`
		Enhanced    identifierList `json:"enhanced_identifiers,omitempty" doc:"Older name; read when identifiers is absent."`
		Data        freeObject     `json:"enriched_data,omitempty" doc:"Laid over the data of the local item, key by key."`
	}
}

func (in *pushLocalInput) toApp() (circuit uuid.UUID, out circuits.PushInput, err error) {
	if circuit, err = in.circuitID(); err != nil {
		return circuit, out, err
	}
	var ok bool
	if out.LocalID, ok = parseUUID(in.Body.LocalID); !ok {
		return circuit, out, app.Invalid(app.ReasonBadLocalID, "Invalid local_id format")
	}
	named := in.Body.Identifiers
	if !named.given {
		named = in.Body.Enhanced
	}
	if out.Identifiers, err = named.toApp(); err != nil {
		return circuit, out, err
	}
	out.Data, err = in.Body.Data.canonical("enriched_data")
	return circuit, out, err
}

// PushLocalData is the result of a push. huma asks for an exported name where
// it is embedded.
type PushLocalData struct {
	DFID        string `json:"dfid" example:"DFID-20251013-000001-CEEF"`
	Status      string `json:"status" enum:"NewItemCreated,ExistingItemEnriched"`
	OperationID string `json:"operation_id"`
	LocalID     string `json:"local_id"`
}

// pushLocalReplyJSON carries the result twice: clients read it under data or
// at the top level.
type pushLocalReplyJSON struct {
	Success bool          `json:"success"`
	Data    PushLocalData `json:"data"`
	PushLocalData
}

func (h tokenizationHandlers) pushLocal(ctx context.Context, in *pushLocalInput) (*reply[pushLocalReplyJSON], error) {
	circuit, push, err := in.toApp()
	if err != nil {
		return nil, err
	}
	res, err := h.svc.PushLocal(ctx, actor(ctx), circuit, push)
	if err != nil {
		return nil, err
	}
	data := PushLocalData{
		DFID: res.DFID, Status: string(res.Status), OperationID: res.OperationID.String(), LocalID: res.LocalID.String(),
	}
	return respond(pushLocalReplyJSON{Success: true, Data: data, PushLocalData: data}, nil)
}

package api

import (
	"context"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/circuits"
)

// circuitActivityHandlers serves the histories of circuits (contract 03 §6.2).
type circuitActivityHandlers struct{ svc *circuits.Service }

func (h circuitActivityHandlers) register(r *registrar) {
	get(r, "/api/circuits/{id}/activities", scopeUser, h.list, tag("Circuits"), busyText(circuitBusyText),
		summary("List a circuit's history, newest first"),
		describe("For members. Empty for everybody else."))
}

type circuitActivityJSON struct {
	ActivityID  string              `json:"activity_id"`
	Type        string              `json:"activity_type" enum:"Push,Pull,Enrich"`
	CircuitID   string              `json:"circuit_id"`
	CircuitName string              `json:"circuit_name" doc:"As it was called then."`
	DFIDs       []string            `json:"item_dfids"`
	UserID      string              `json:"user_id"`
	Timestamp   int64               `json:"timestamp" doc:"Unix seconds."`
	Status      string              `json:"status" enum:"Success,Partial,Failed"`
	Details     activityDetailsJSON `json:"details"`
}

// activityDetailsJSON holds numbers and, for clients that look for them, members
// that never say anything (contract 03 S26).
type activityDetailsJSON struct {
	Items       int      `json:"items_count"`
	Succeeded   int      `json:"success_count"`
	Failed      []string `json:"failed_items"`
	Enrichments []string `json:"enrichment_matches"`
	Permissions *string  `json:"permissions"`
	Error       *string  `json:"error_message"`
}

func circuitActivityFrom(a app.CircuitActivity, circuitID string) circuitActivityJSON {
	return circuitActivityJSON{
		ActivityID: a.ID.String(), Type: a.Type, CircuitID: circuitID, CircuitName: a.CircuitName,
		DFIDs: orEmpty(a.ItemDFIDs), UserID: a.UserID, Timestamp: a.At.Unix(), Status: a.Status,
		Details: activityDetailsJSON{
			Items: a.ItemsCount, Succeeded: a.ItemsCount, Failed: []string{}, Enrichments: []string{},
		},
	}
}

func (h circuitActivityHandlers) list(ctx context.Context, in *circuitListInput) (*reply[[]circuitActivityJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	list, err := h.svc.Activities(ctx, actor(ctx), id, in.page())
	if err != nil {
		return nil, err
	}
	out := make([]circuitActivityJSON, len(list))
	for i, a := range list {
		out[i] = circuitActivityFrom(a, id.String())
	}
	return respond(out, nil)
}

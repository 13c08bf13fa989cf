package api

import (
	"context"
	"encoding/json"

	"github.com/defarm-repo/defarm/app"
)

// eventSummaryJSON is contract 05's EventResponse. What circuits show of an
// event has more members, see eventJSON.
type eventSummaryJSON struct {
	EventID    string                     `json:"event_id"`
	DFID       string                     `json:"dfid"`
	Type       string                     `json:"event_type"`
	Timestamp  int64                      `json:"timestamp" doc:"Unix seconds."`
	Source     string                     `json:"source" doc:"User id of the author."`
	Metadata   map[string]json.RawMessage `json:"metadata"`
	Encrypted  bool                       `json:"is_encrypted"`
	Visibility string                     `json:"visibility" enum:"Public,Private,CircuitOnly,Direct"`
}

func eventSummaryFrom(e *app.Event) eventSummaryJSON {
	out := eventSummaryJSON{
		EventID: e.ID.String(), DFID: e.DFID, Type: string(e.Type), Timestamp: e.At.Unix(), Source: e.Source,
		Metadata: e.Metadata, Encrypted: e.Encrypted, Visibility: string(e.Visibility),
	}
	if out.Metadata == nil {
		out.Metadata = map[string]json.RawMessage{}
	}
	return out
}

type itemEventsInput struct {
	ItemPath
	PageQuery
}

func (h merkleHandlers) events(ctx context.Context, in *itemEventsInput) (*reply[[]eventSummaryJSON], error) {
	events, err := h.svc.Events(ctx, actor(ctx), in.DFID, in.page())
	if err != nil {
		return nil, err
	}
	out := make([]eventSummaryJSON, len(events))
	for i, e := range events {
		out[i] = eventSummaryFrom(e)
	}
	return respond(out, nil)
}

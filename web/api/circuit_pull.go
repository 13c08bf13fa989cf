package api

import (
	"context"
	"encoding/json"
	"time"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/circuits"
)

// circuitPullHandlers serves pulls (contract 03 §5.3).
type circuitPullHandlers struct{ svc *circuits.Service }

func (h circuitPullHandlers) register(r *registrar) {
	post(r, "/api/circuits/{id}/pull/{dfid}", scopeUser, h.pull, tag("Circuit operations"), busyText(circuitBusyText), optionalBody(),
		summary("Take an item out of a circuit"),
		describe("Answers with a last look at the item and those of its events that you may read; its members see it no more through this circuit. Where the circuit wants approval the operation waits, and nothing is shown."))
}

type pulledJSON struct {
	Item      *pulledItemJSON `json:"item"`
	Events    []eventJSON     `json:"events"`
	Count     int             `json:"events_count"`
	Operation operationJSON   `json:"operation"`
}

// pulledItemJSON is an item in the domain's form, which this route alone shows.
type pulledItemJSON struct {
	DFID          string                     `json:"dfid"`
	Identifiers   []domainIdentifierJSON     `json:"identifiers"`
	Data          map[string]json.RawMessage `json:"enriched_data"`
	Created       int64                      `json:"creation_timestamp" doc:"Unix seconds."`
	Modified      int64                      `json:"last_modified" doc:"Unix seconds."`
	SourceEntries []string                   `json:"source_entries"`
	Confidence    float64                    `json:"confidence_score"`
	Status        string                     `json:"status"`
}

// domainIdentifierJSON is an identifier in the domain's form.
type domainIdentifierJSON struct {
	Namespace string         `json:"namespace"`
	Key       string         `json:"key"`
	Value     string         `json:"value"`
	Type      domainTypeJSON `json:"id_type"`
}

// domainTypeJSON holds one of its members.
type domainTypeJSON struct {
	Canonical  *domainCanonicalJSON  `json:"Canonical,omitempty"`
	Contextual *domainContextualJSON `json:"Contextual,omitempty"`
}

type domainCanonicalJSON struct {
	Registry         string  `json:"registry"`
	Verified         bool    `json:"verified"`
	VerificationDate *string `json:"verification_date"`
}

type domainContextualJSON struct {
	Scope string `json:"scope"`
}

func domainIdentifierFrom(id app.Identifier) domainIdentifierJSON {
	out := domainIdentifierJSON{Namespace: shownNamespace(id), Key: id.Key, Value: id.Value}
	if !id.Canonical {
		out.Type.Contextual = &domainContextualJSON{Scope: id.Scope}
		return out
	}
	out.Type.Canonical = &domainCanonicalJSON{Registry: id.Key, Verified: id.Verified, VerificationDate: dateOrNull(id.VerifiedAt)}
	return out
}

// dateOrNull writes a time as RFC 3339, a missing one as null.
func dateOrNull(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return textOrNull(app.FormatZ(t))
}

func pulledItemFrom(it *app.Item) *pulledItemJSON {
	if it == nil {
		return nil
	}
	out := &pulledItemJSON{
		DFID: it.DFID, Identifiers: make([]domainIdentifierJSON, len(it.Identifiers)), Data: it.Data,
		Created: it.CreatedAt.Unix(), Modified: it.ModifiedAt.Unix(), SourceEntries: make([]string, len(it.SourceEntries)),
		Confidence: it.Confidence, Status: itemStatusText(it),
	}
	for i, id := range it.Identifiers {
		out.Identifiers[i] = domainIdentifierFrom(id)
	}
	for i, entry := range it.SourceEntries {
		out.SourceEntries[i] = entry.String()
	}
	return out
}

func (h circuitPullHandlers) pull(ctx context.Context, in *circuitItemInput) (*reply[pulledJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	res, err := h.svc.Pull(ctx, actor(ctx), id, in.DFID)
	if err != nil {
		return nil, refused("Failed to pull item: ", err)
	}
	out := pulledJSON{
		Item: pulledItemFrom(res.Item), Events: make([]eventJSON, len(res.Events)), Count: len(res.Events),
		Operation: operationFrom(res.Operation),
	}
	for i, e := range res.Events {
		out.Events[i] = eventFrom(e)
	}
	return respond(out, nil)
}

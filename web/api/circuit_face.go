package api

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/circuits"
)

// faceHandlers serves the public pages of circuits (contract 03 §4.2).
type faceHandlers struct{ svc *circuits.Service }

func (h faceHandlers) register(r *registrar) {
	get(r, "/api/circuits/{id}/public", scopeWelcome, h.get, tag("Circuits"), busyText(circuitBusyText), unmetered(),
		summary("Read a circuit's public page"),
		describe("For everybody. A protected circuit shows its branding only, until its password comes in `X-Access-Password` "+
			"(or the query's `access_password`) or the credential is that of a member. Wrong passwords are limited by 429."))
}

type faceInput struct {
	CircuitIDPath
	Header string `header:"X-Access-Password" doc:"Password of a protected circuit"`
	Query  string `query:"access_password" doc:"The same for links; the header is better kept"`
}

// faceReply is an answer that depends on secrets: nobody shall keep it.
type faceReply struct {
	CacheControl string `header:"Cache-Control"`
	Body         dataJSON[faceJSON]
}

type faceJSON struct {
	CircuitID         string         `json:"circuit_id"`
	PublicName        string         `json:"public_name"`
	PublicDescription *string        `json:"public_description"`
	PrimaryColor      *string        `json:"primary_color"`
	SecondaryColor    *string        `json:"secondary_color"`
	LogoURL           *string        `json:"logo_url"`
	Tagline           *string        `json:"tagline"`
	FooterText        *string        `json:"footer_text"`
	MemberCount       int            `json:"member_count"`
	ItemsCount        int            `json:"items_count" doc:"All published items"`
	EventsCount       int            `json:"events_count" doc:"All public events of the listed items"`
	AccessMode        string         `json:"access_mode"`
	RequiresPassword  bool           `json:"requires_password"`
	Accessible        bool           `json:"is_currently_accessible"`
	Published         []string       `json:"published_items" doc:"At most 1,000"`
	WithEvents        []faceItemJSON `json:"published_items_with_events"`
	AutoPublish       bool           `json:"auto_publish_pushed_items"`
	ShowEncrypted     bool           `json:"show_encrypted_events"`
	PublicSince       *string        `json:"public_since"`
	CreatedAt         string         `json:"created_at"`
	RecentActivity    []struct{}     `json:"recent_activity" doc:"Always empty"`
}

type faceItemJSON struct {
	DFID   string          `json:"dfid"`
	Events []faceEventJSON `json:"events" doc:"The newest 100; fewer where more than a hundred items are listed"`
}

type faceEventJSON struct {
	EventID    string                     `json:"event_id"`
	DFID       string                     `json:"dfid"`
	Type       string                     `json:"event_type"`
	Source     string                     `json:"source"`
	Visibility string                     `json:"visibility"`
	Timestamp  string                     `json:"timestamp"`
	Metadata   map[string]json.RawMessage `json:"metadata"`
}

func (h faceHandlers) get(ctx context.Context, in *faceInput) (*faceReply, error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	f, err := h.svc.Face(ctx, visitor(ctx, firstText(in.Header, in.Query)), id)
	if err != nil {
		return nil, err
	}
	return &faceReply{CacheControl: "no-store", Body: dataJSON[faceJSON]{Success: true, Data: faceFrom(f)}}, nil
}

func faceFrom(f circuits.Face) faceJSON {
	out := faceJSON{
		CircuitID: f.ID.String(), PublicName: f.Name, AccessMode: "public", Accessible: true,
		RequiresPassword: f.Protected(), CreatedAt: app.FormatOffset(f.CreatedAt.Truncate(time.Second)),
		Published: []string{}, WithEvents: []faceItemJSON{}, RecentActivity: []struct{}{},
	}
	if p := f.Public; p != nil {
		if p.PublicName != nil {
			out.PublicName = *p.PublicName
		}
		out.PublicDescription, out.PrimaryColor, out.SecondaryColor = p.PublicDescription, p.PrimaryColor, p.SecondaryColor
		out.LogoURL, out.Tagline, out.FooterText = p.LogoURL, p.Tagline, p.FooterText
		out.AccessMode, out.AutoPublish, out.ShowEncrypted = strings.ToLower(string(p.AccessMode)), p.AutoPublish, p.ShowEncrypted
		if p.PublicSince != nil {
			out.PublicSince = textOrNull(app.FormatOffset(*p.PublicSince))
		}
	}
	if !f.Open {
		return out
	}
	out.MemberCount, out.ItemsCount, out.EventsCount = len(f.Members), len(f.Published), f.EventsCount
	for _, it := range f.Items {
		shown := faceItemJSON{DFID: it.DFID, Events: make([]faceEventJSON, len(it.Events))}
		for i, e := range it.Events {
			shown.Events[i] = faceEventJSON{
				EventID: e.ID.String(), DFID: e.DFID, Type: string(e.Type), Source: e.Source, Visibility: string(e.Visibility),
				Timestamp: app.FormatOffset(e.At.Truncate(time.Second)), Metadata: e.Metadata,
			}
		}
		out.Published, out.WithEvents = append(out.Published, it.DFID), append(out.WithEvents, shown)
	}
	return out
}

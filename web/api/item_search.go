package api

import (
	"context"
	"math"
	"strconv"

	"github.com/defarm-repo/defarm/app"
)

func (h itemHandlers) registerSearch(r *registrar, family option) {
	get(r, "/api/items/search", scopeUser, h.search, family,
		summary("Search my items"),
		describe("Items that contain `q` in their DFID, an identifier or a text of their data (its first 64 KiB), "+
			"without regard to case; the closest first. At most 2,000 matches among 10,000 candidates are ranked. Without `q`: the list."))
	get(r, "/api/items/stats", scopeUser, h.stats, family,
		summary("Count my items"))
	get(r, "/api/items/identifier/{key}/{value}", scopeUser, h.byIdentifier, family,
		summary("Items with an identifier"),
		describe("In any namespace and status. A canonical identifier is found by every spelling of its value."))
}

type searchItemsInput struct {
	ListItemsQuery
	Query string `query:"q" maxLength:"256" doc:"What to look for."`
}

func (h itemHandlers) search(ctx context.Context, in *searchItemsInput) (*reply[encoded[[]itemJSON]], error) {
	its, err := h.svc.Search(ctx, actor(ctx), in.Query, in.filter(), in.page())
	if err != nil {
		return nil, err
	}
	return respond(encodeItems(its), nil)
}

type identifierPath struct {
	PageQuery
	Key   string `path:"key" doc:"Key of the identifier."`
	Value string `path:"value" doc:"Its value; a slash in it is sent as %2F."`
}

func (h itemHandlers) byIdentifier(ctx context.Context, in *identifierPath) (*reply[encoded[[]itemJSON]], error) {
	f := app.ItemFilter{IdentifierKey: in.Key, IdentifierValue: in.Value}
	its, err := h.svc.List(ctx, actor(ctx), f, in.page())
	if err != nil {
		return nil, err
	}
	return respond(encodeItems(its), nil)
}

type itemStatsJSON struct {
	Total      int64   `json:"total_items"`
	Active     int64   `json:"active_items"`
	Merged     int64   `json:"merged_items"`
	Split      int64   `json:"split_items"`
	Archived   int64   `json:"archived_items"`
	Confidence decimal `json:"average_confidence"`
}

// decimal is a number that is written with a decimal point.
type decimal float64

// MarshalJSON implements json.Marshaler.
func (d decimal) MarshalJSON() ([]byte, error) {
	f := float64(d)
	if f == math.Trunc(f) {
		return strconv.AppendFloat(nil, f, 'f', 1, 64), nil
	}
	return strconv.AppendFloat(nil, f, 'f', -1, 64), nil
}

func (h itemHandlers) stats(ctx context.Context, _ *struct{}) (*reply[itemStatsJSON], error) {
	c, err := h.svc.Stats(ctx, actor(ctx))
	if err != nil {
		return nil, err
	}
	out := itemStatsJSON{Total: c.Total, Active: c.Active, Merged: c.Merged, Split: c.Split, Archived: c.Deprecated}
	if c.Total > 0 {
		out.Confidence = decimal(c.Confidence / float64(c.Total))
	}
	return respond(out, nil)
}

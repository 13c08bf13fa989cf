package api

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/items"
)

// localItemHandlers serves what is done with local items beside making them
// (contract 02 §3.4–3.7).
type localItemHandlers struct{ svc *items.Service }

func (h localItemHandlers) register(r *registrar) {
	family := together(tag("Items"), busyText(itemBusyText))
	post(r, "/api/items/local/merge", scopeUser, h.merge, family,
		summary("Merge local items"),
		describe("Makes your local items part of another one, which gains their identifiers, data and source entries. At most 1,000 at once."))
	post(r, "/api/items/local/unmerge", scopeUser, h.unmerge, family,
		summary("Undo the merge of a local item"),
		describe("The item is itself again, and the one that it was part of gets back what it had before. What was edited since stays."))
	get(r, "/api/items/local/duplicates", scopeUser, h.duplicates, family,
		summary("Find duplicates among my local items"),
		describe("Local items with the same first canonical identifier. Looks at your 100,000 oldest local items and lists at most 10,000; the numbers count all."))
	post(r, "/api/items/local/organize", scopeUser, h.organize, family,
		summary("Merge all duplicates among my local items"),
		describe("Merges each group of duplicates into its oldest item, at most 1,000 items of a group and 10,000 in one call. A group that cannot be merged does not stop the others. Not one change: when it was interrupted, repeat it and it goes on."))
	get(r, "/api/items/local/{local_id}", scopeUser, h.get, family,
		summary("Read one item by its local id"),
		describe("After tokenization this is the traced item."))
}

type localReplyJSON struct {
	Success bool              `json:"success"`
	Item    encoded[itemJSON] `json:"item"`
}

func (h localItemHandlers) get(ctx context.Context, in *localIDPath) (*reply[localReplyJSON], error) {
	id, ok := parseUUID(in.LocalID)
	if !ok {
		return nil, app.Invalid(app.ReasonBadLocalID, "Invalid local_id format")
	}
	it, err := h.svc.Local(ctx, actor(ctx), id)
	if err != nil {
		return nil, err
	}
	return respond(localReplyJSON{Success: true, Item: encodeItem(it)}, nil)
}

// mergeStrategy reads the strategy of a body; append is what it says nothing.
func mergeStrategy(given *string) (app.MergeStrategy, error) {
	if given == nil {
		return app.MergeAppend, nil
	}
	s := app.MergeStrategy(*given)
	if !slices.Contains(app.MergeStrategies(), s) {
		return "", app.Invalid(app.ReasonMergeInput, "Invalid merge_strategy").
			With("provided", *given).With("allowed", app.MergeStrategies())
	}
	return s, nil
}

type mergeLocalInput struct {
	Body struct {
		Master   string   `json:"master_lid" doc:"Local id of the item that stays."`
		Merge    []string `json:"merge_lids" doc:"Local ids of those that become part of it, in this order; at most 1,000."`
		Strategy *string  `json:"merge_strategy,omitempty" doc:"append (default; lists and objects grow, other values are replaced), keep_first (the master's data stays) or overwrite." example:"append"`
	}
}

func (in *mergeLocalInput) toApp() (items.MergeLocalInput, error) {
	var (
		out items.MergeLocalInput
		ok  bool
	)
	if out.Master, ok = parseUUID(in.Body.Master); !ok {
		return out, app.Invalid(app.ReasonBadLocalID, "Invalid master_lid format")
	}
	out.Merge = make([]uuid.UUID, len(in.Body.Merge))
	for i, text := range in.Body.Merge {
		if out.Merge[i], ok = parseUUID(text); !ok {
			return out, app.Invalid(app.ReasonBadLocalID, "Invalid merge_lid format")
		}
	}
	if len(out.Merge) == 0 {
		return out, app.Invalid(app.ReasonMergeInput, "At least one merge_lid must be provided")
	}
	var err error
	out.Strategy, err = mergeStrategy(in.Body.Strategy)
	return out, err
}

// localStateJSON is a local item as merging shows it.
type localStateJSON struct {
	DFID     string                     `json:"dfid" doc:"LID- and the local id."`
	LocalID  string                     `json:"local_id"`
	Data     map[string]json.RawMessage `json:"enriched_data"`
	Modified string                     `json:"last_modified" doc:"RFC 3339."`
}

func localStateFrom(it *app.Item) localStateJSON {
	return localStateJSON{DFID: it.DFID, LocalID: it.LocalID.String(), Data: orNothing(it.Data), Modified: app.FormatOffset(it.ModifiedAt)}
}

// orNothing returns m, or an empty object in place of nil.
func orNothing(m map[string]json.RawMessage) map[string]json.RawMessage {
	if m == nil {
		return map[string]json.RawMessage{}
	}
	return m
}

type mergedJSON struct {
	Master      string         `json:"master_lid"`
	MergedCount int            `json:"merged_count"`
	Merged      []string       `json:"merged_lids"`
	MasterItem  localStateJSON `json:"master_item"`
}

type mergedReplyJSON struct {
	Success bool       `json:"success"`
	Data    mergedJSON `json:"data"`
}

func (h localItemHandlers) merge(ctx context.Context, in *mergeLocalInput) (*reply[mergedReplyJSON], error) {
	merge, err := in.toApp()
	if err != nil {
		return nil, err
	}
	it, err := h.svc.MergeLocal(ctx, actor(ctx), merge)
	if err != nil {
		return nil, err
	}
	return respond(mergedReplyJSON{Success: true, Data: mergedJSON{
		Master: merge.Master.String(), MergedCount: len(merge.Merge), Merged: uuidTexts(merge.Merge), MasterItem: localStateFrom(it),
	}}, nil)
}

func uuidTexts(ids []uuid.UUID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id.String()
	}
	return out
}

type unmergeLocalInput struct {
	Body struct {
		Merged string `json:"merged_lid" doc:"Local id of the item that was merged."`
	}
}

type unmergedReplyJSON struct {
	Success  bool           `json:"success"`
	Restored string         `json:"restored_lid"`
	Master   string         `json:"previous_master_lid"`
	Item     localStateJSON `json:"restored_item"`
}

func (h localItemHandlers) unmerge(ctx context.Context, in *unmergeLocalInput) (*reply[unmergedReplyJSON], error) {
	id, ok := parseUUID(in.Body.Merged)
	if !ok {
		return nil, app.Invalid(app.ReasonBadLocalID, "Invalid merged_lid format")
	}
	u, err := h.svc.UnmergeLocal(ctx, actor(ctx), id)
	if err != nil {
		return nil, err
	}
	return respond(unmergedReplyJSON{Success: true, Restored: id.String(), Master: u.Master, Item: localStateFrom(u.Item)}, nil)
}

type duplicateJSON struct {
	LocalID          string                     `json:"local_id"`
	DFID             string                     `json:"dfid" doc:"LID- and the local id."`
	Created          string                     `json:"created" doc:"RFC 3339."`
	Data             map[string]json.RawMessage `json:"enriched_data"`
	IdentifiersCount int                        `json:"identifiers_count"`
}

type duplicateGroupJSON struct {
	Key             string          `json:"identifier_key" doc:"Namespace and key." example:"bovino:sisbov"`
	Value           string          `json:"identifier_value" doc:"As the oldest item spells it."`
	Items           []duplicateJSON `json:"items"`
	SuggestedMaster string          `json:"suggested_master_lid" doc:"The oldest item."`
	Conflicts       []string        `json:"conflicts" doc:"Keys of the first item's data that differ in a later one."`
}

type duplicateSummaryJSON struct {
	TotalItems int `json:"total_items"`
	Groups     int `json:"duplicate_groups"`
	Items      int `json:"items_in_duplicates"`
}

type duplicatesJSON struct {
	Success bool                 `json:"success"`
	Groups  []duplicateGroupJSON `json:"duplicate_groups"`
	Summary duplicateSummaryJSON `json:"summary"`
}

func duplicatesFrom(d items.Duplicates) duplicatesJSON {
	out := duplicatesJSON{
		Success: true, Groups: make([]duplicateGroupJSON, len(d.Groups)),
		Summary: duplicateSummaryJSON{TotalItems: d.ItemCount, Groups: d.GroupCount, Items: d.ItemCount},
	}
	for i, g := range d.Groups {
		group := duplicateGroupJSON{
			Key: g.Key, Value: g.Value, Items: make([]duplicateJSON, len(g.Items)),
			SuggestedMaster: g.Items[0].LocalID.String(), Conflicts: orEmpty(g.Conflicts),
		}
		for k, it := range g.Items {
			group.Items[k] = duplicateJSON{
				LocalID: it.LocalID.String(), DFID: it.DFID, Created: app.FormatOffset(it.CreatedAt),
				Data: orNothing(it.Data), IdentifiersCount: len(it.Identifiers),
			}
		}
		out.Groups[i] = group
	}
	return out
}

func (h localItemHandlers) duplicates(ctx context.Context, _ *struct{}) (*reply[duplicatesJSON], error) {
	d, err := h.svc.LocalDuplicates(ctx, actor(ctx))
	return respond(duplicatesFrom(d), err)
}

type organizeInput struct {
	Body struct {
		Action    string  `json:"action" doc:"deduplicate or merge_all, which do the same." example:"deduplicate"`
		DryRun    bool    `json:"dry_run,omitempty" doc:"Only say what would be merged."`
		Strategy  *string `json:"merge_strategy,omitempty" doc:"As in the merge of local items."`
		Namespace *string `json:"namespace,omitempty" doc:"Only duplicates whose identifier is of this namespace."`
	}
}

func (in *organizeInput) toApp() (items.OrganizeInput, error) {
	out := items.OrganizeInput{Namespace: in.Body.Namespace, DryRun: in.Body.DryRun}
	actions := []string{"deduplicate", "merge_all"}
	if !slices.Contains(actions, in.Body.Action) {
		return out, app.Invalid(app.ReasonMergeInput, "Invalid action").With("provided", in.Body.Action).With("allowed", actions)
	}
	var err error
	out.Strategy, err = mergeStrategy(in.Body.Strategy)
	return out, err
}

type organizeOperationJSON struct {
	Master string   `json:"master_lid"`
	Merged []string `json:"merged_lids"`
	Status string   `json:"status" enum:"success,error,would_merge"`
	Reason *string  `json:"reason"`
}

type organizeSummaryJSON struct {
	Before int `json:"items_before" doc:"Items in groups of duplicates."`
	After  int `json:"items_after"`
	Merged int `json:"merged_count"`
	Groups int `json:"groups_processed"`
}

type organizedJSON struct {
	Success    bool                    `json:"success"`
	Operations []organizeOperationJSON `json:"operations"`
	Summary    organizeSummaryJSON     `json:"summary"`
	DryRun     bool                    `json:"dry_run"`
}

func organizedFrom(o items.Organized, dry bool) organizedJSON {
	out := organizedJSON{
		Success: true, Operations: make([]organizeOperationJSON, len(o.Groups)), DryRun: dry,
		Summary: organizeSummaryJSON{Before: o.Before, After: o.Before - o.Merged, Merged: o.Merged, Groups: len(o.Groups)},
	}
	if dry {
		out.Summary.After = o.Before
	}
	dryRun := "Dry run mode"
	for i, g := range o.Groups {
		op := organizeOperationJSON{Master: g.Master.String(), Merged: uuidTexts(g.Merged), Status: "success"}
		switch {
		case g.Err != nil:
			op.Status, op.Reason = "error", &g.Err.Message
		case dry:
			op.Status, op.Reason = "would_merge", &dryRun
		}
		out.Operations[i] = op
	}
	return out
}

func (h localItemHandlers) organize(ctx context.Context, in *organizeInput) (*reply[organizedJSON], error) {
	organize, err := in.toApp()
	if err != nil {
		return nil, err
	}
	o, err := h.svc.OrganizeLocal(ctx, actor(ctx), organize)
	return respond(organizedFrom(o, organize.DryRun), err)
}

package app

import "testing"

// Every change from every status; what is not listed is refused.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	type step struct {
		from   ItemStatus
		change ItemChange
	}
	legal := map[step]ItemStatus{
		{ItemActive, ChangeDeprecate}: ItemDeprecated, {ItemDeprecated, ChangeDeprecate}: ItemDeprecated,
		{ItemMerged, ChangeDeprecate}: ItemDeprecated, {ItemSplit, ChangeDeprecate}: ItemDeprecated,
		{ItemMergedInto, ChangeDeprecate}: ItemDeprecated,
		{ItemActive, ChangeMerge}:         ItemMerged,
		{ItemActive, ChangeSplit}:         ItemSplit, {ItemSplit, ChangeSplit}: ItemSplit,
		{ItemActive, ChangeFold}:       ItemMergedInto,
		{ItemMergedInto, ChangeUnfold}: ItemActive,
	}
	for _, from := range []ItemStatus{ItemActive, ItemDeprecated, ItemMerged, ItemSplit, ItemMergedInto, "Lost", ""} {
		for _, change := range []ItemChange{ChangeDeprecate, ChangeMerge, ChangeSplit, ChangeFold, ChangeUnfold, "revive"} {
			want, allowed := legal[step{from, change}]
			got, ok := from.After(change)
			if ok != allowed || got != want {
				t.Errorf("%q %s: got %q %t, want %q %t", from, change, got, ok, want, allowed)
			}
		}
	}
}

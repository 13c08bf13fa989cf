package app

// ItemChange is an operation that moves an item to another status.
type ItemChange string

// The changes of status (contract 02 §6.7).
const (
	ChangeDeprecate ItemChange = "deprecate" // delete keeps the item as its tombstone
	ChangeMerge     ItemChange = "merge"     // a traced item becomes part of another one
	ChangeSplit     ItemChange = "split"     // identifiers leave for an item of their own
	ChangeFold      ItemChange = "fold"      // a local item becomes part of another local one
	ChangeUnfold    ItemChange = "unfold"    // and is itself again
)

// lifecycle is the state machine of items: what each change makes of the
// statuses that it is legal from. The contract lets an item be deprecated from
// every status; the other changes start from what is still in use. Nothing
// leads back from Deprecated, Merged or Split.
var lifecycle = map[ItemChange]map[ItemStatus]ItemStatus{
	ChangeDeprecate: {
		ItemActive: ItemDeprecated, ItemDeprecated: ItemDeprecated, ItemMerged: ItemDeprecated,
		ItemSplit: ItemDeprecated, ItemMergedInto: ItemDeprecated,
	},
	ChangeMerge:  {ItemActive: ItemMerged},
	ChangeSplit:  {ItemActive: ItemSplit, ItemSplit: ItemSplit},
	ChangeFold:   {ItemActive: ItemMergedInto},
	ChangeUnfold: {ItemMergedInto: ItemActive},
}

// After returns the status that the change leads to; ok is false when it is not
// legal from s.
func (s ItemStatus) After(c ItemChange) (next ItemStatus, ok bool) {
	next, ok = lifecycle[c][s]
	return next, ok
}

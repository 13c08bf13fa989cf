package app

// Sight is what one caller sees of one item.
type Sight struct {
	// Whole is set for the owner, for administrators, for those with whom the
	// item is shared, and for members of a circuit that holds all of it.
	// Otherwise Part says what is seen.
	Whole bool
	Part  PartialView
}

// Of returns the item as it is seen: the item itself, or a copy of the part.
func (s Sight) Of(it *Item) *Item {
	if s.Whole {
		return it
	}
	return it.Part(s.Part)
}

// OwnsItem reports whether the caller sees the item without regard to any
// circuit: as its owner or as an administrator. It needs no row.
func OwnsItem(who Actor, it *Item) bool {
	return who.IsAdmin || (who.UserID != "" && it.OwnerID == who.UserID)
}

// SeeItem decides what the caller sees of an item; ok is false when he may not
// know of it at all. An item is seen by its owner, by administrators, and by
// those with whom it is shared; a traced one also by the members of the circuits
// that hold it.
func SeeItem(r Reader, who Actor, it *Item) (s Sight, ok bool, err error) {
	return SightOf(r.Items(), who, it)
}

// SightOf is SeeItem for whoever has the rows of items alone, as in a write.
func SightOf(items ItemReads, who Actor, it *Item) (s Sight, ok bool, err error) {
	if OwnsItem(who, it) {
		return Sight{Whole: true}, true, nil
	}
	if who.UserID == "" {
		return Sight{}, false, nil
	}
	known, err := items.SharedWith(who.UserID, it.Row)
	if err != nil || !known {
		return Sight{}, false, err
	}
	parts, err := items.InPart(who.UserID, []int64{it.Row})
	if err != nil {
		return Sight{}, false, err
	}
	part, inPart := parts[it.Row]
	return Sight{Whole: !inPart, Part: part}, true, nil
}

// MayReadItem reports whether the caller may read the item, if only in part; see
// SeeItem.
func MayReadItem(r Reader, who Actor, it *Item) (bool, error) {
	_, ok, err := SeeItem(r, who, it)
	return ok, err
}

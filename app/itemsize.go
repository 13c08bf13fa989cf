package app

// MaxItemData bounds the enriched data of one item, in bytes of its values and
// keys: twice what one request can carry.
const MaxItemData = 4 << 20

// DataSize is the size of the item's data, in bytes of its values and keys.
func (it *Item) DataSize() int {
	size := 0
	for key, value := range it.Data {
		size += len(key) + len(value)
	}
	return size
}

// CheckSize refuses an item that has outgrown its bounds: MaxIdentifiers and
// MaxItemData. ReasonTooManyElements, ReasonBodyTooLarge.
func (it *Item) CheckSize() error {
	if n := len(it.Identifiers); n > MaxIdentifiers {
		return TooManyIdentifiers(n)
	}
	if it.DataSize() > MaxItemData {
		return NewError(CodeTooLarge, ReasonBodyTooLarge,
			"Validation error: enriched_data of the item would be larger than %d bytes; push less or remove keys first", MaxItemData)
	}
	return nil
}

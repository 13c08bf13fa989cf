package db

// kind is the kind of aggregate that the cache holds.
type kind uint8

// The cached kinds. The key of a user is his id, of an API key its hash, of a
// circuit its UUID in text, of an item its row number in decimal and, in a
// second entry kind, its DFID.
const (
	kindUser kind = iota + 1
	kindAPIKey
	kindCircuit
	kindItem    // by DFID: the row number
	kindItemRow // by row number: the item
)

// String is the kind's name in metrics.
func (k kind) String() string {
	switch k {
	case kindUser:
		return "user"
	case kindAPIKey:
		return "api_key"
	case kindCircuit:
		return "circuit"
	case kindItem:
		return "item_row"
	case kindItemRow:
		return "item"
	default:
		return "none"
	}
}

// touch says that the running write changes what the cache may hold under
// that key. Every row method that changes a cached aggregate calls it; the
// writer moves the generations before it answers.
func (s *session) touch(k kind, key string) {
	if s.touched != nil {
		s.touched.add(k, key)
	}
}

package app

// filterPiece is how many rows FilterPage reads at once.
const filterPiece = 256

// FilterPage applies a page to the rows that keep lets through. fetch reads one
// piece of the unfiltered list.
func FilterPage[T any](p Page, fetch func(Page) ([]T, error), keep func(T) (bool, error)) ([]T, error) {
	var out []T
	skip := p.Offset
	at := Page{Limit: filterPiece}
	for len(out) < p.Limit {
		rows, err := fetch(at)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			ok, err := keep(row)
			switch {
			case err != nil:
				return nil, err
			case !ok:
			case skip > 0:
				skip--
			case len(out) < p.Limit:
				out = append(out, row)
			}
		}
		if len(rows) < filterPiece {
			break
		}
		at.Offset += filterPiece
	}
	return out, nil
}

package db

import (
	"math"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// The lists of circuits. Own and public circuits are two ordered streams that
// the index gives newest first; UNION merges them without duplicates, each cut
// at the page's end first, so that a server with many public circuits does not
// read them all.
const (
	ownCircuitsSQL = `SELECT row, id FROM circuits WHERE row IN (
			SELECT row FROM circuits WHERE owner_id = ?1
			UNION SELECT circuit_row FROM circuit_members WHERE user_id = ?1
		) AND status <> 'Archived' AND (?2 = '' OR status = ?2)
		ORDER BY row DESC LIMIT ?3`
	publicCircuitsSQL = `SELECT row, id FROM circuits
		WHERE is_public = 1 AND status <> 'Archived' AND (?1 = '' OR status = ?1)
		ORDER BY row DESC LIMIT ?2`
)

type circuitRef struct {
	row int64
	id  uuid.UUID
}

func scanCircuitRef(r scanner) (circuitRef, error) {
	var (
		ref circuitRef
		id  string
	)
	if err := r.Scan(&ref.row, &id); err != nil {
		return ref, err
	}
	var err error
	ref.id, err = uuid.Parse(id)
	return ref, err
}

// ListIDs implements app.CircuitReads.
func (t circuits) ListIDs(userID string, own, public bool, status app.CircuitStatus, p app.Page) ([]uuid.UUID, error) {
	var mine, open []circuitRef
	var err error
	end := p.Limit + min(p.Offset, math.MaxInt-p.Limit) // a negative limit would be none
	if own {
		if mine, err = collect(t.s, scanCircuitRef, ownCircuitsSQL, userID, string(status), end); err != nil {
			return nil, err
		}
	}
	if public {
		if open, err = collect(t.s, scanCircuitRef, publicCircuitsSQL, string(status), end); err != nil {
			return nil, err
		}
	}
	ids := make([]uuid.UUID, 0, min(len(mine)+len(open), p.Limit))
	for skipped := 0; len(mine)+len(open) > 0 && len(ids) < p.Limit; {
		var next circuitRef
		next, mine, open = newestOf(mine, open)
		if skipped < p.Offset {
			skipped++
			continue
		}
		ids = append(ids, next.id)
	}
	return ids, nil
}

// newestOf takes the newest reference off two lists that are sorted newest
// first, from both when both have it.
func newestOf(a, b []circuitRef) (circuitRef, []circuitRef, []circuitRef) {
	switch {
	case len(b) == 0 || (len(a) > 0 && a[0].row > b[0].row):
		return a[0], a[1:], b
	case len(a) == 0 || b[0].row > a[0].row:
		return b[0], a, b[1:]
	default:
		return a[0], a[1:], b[1:]
	}
}

const circuitsPublicOf = `SELECT row, id FROM circuits WHERE row IN (
		SELECT row FROM circuits WHERE owner_id = ?1
		UNION SELECT circuit_row FROM circuit_members WHERE user_id = ?1
	) AND is_public = 1 AND status <> 'Archived'
	ORDER BY row DESC LIMIT ?2 OFFSET ?3`

// PublicIDsOf implements app.CircuitReads.
func (t circuits) PublicIDsOf(userID string, p app.Page) ([]uuid.UUID, error) {
	refs, err := collect(t.s, scanCircuitRef, circuitsPublicOf, userID, p.Limit, p.Offset)
	if err != nil {
		return nil, err
	}
	ids := make([]uuid.UUID, len(refs))
	for i, ref := range refs {
		ids[i] = ref.id
	}
	return ids, nil
}

const circuitsOwnedCount = `SELECT COUNT(*) FROM circuits WHERE owner_id = ? AND status = 'Active'`

// CountOwned implements app.CircuitReads.
func (t circuits) CountOwned(userID string) (int64, error) {
	var n int64
	err := t.s.row(circuitsOwnedCount, userID).Scan(&n)
	return n, err
}

package db

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// maxCircuits bounds one call of Circuits.
const maxCircuits = 10_000

// Circuits implements app.Lookups. What is not in the cache is read in a fixed
// number of statements for each 64 circuits. Each circuit is current by itself.
func (d *DB) Circuits(ctx context.Context, ids []uuid.UUID) ([]*app.Circuit, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(ids) > maxCircuits {
		return nil, fmt.Errorf("circuits: %d asked for, at most %d are given", len(ids), maxCircuits)
	}
	found := make(map[uuid.UUID]*app.Circuit, len(ids))
	refs := make(map[uuid.UUID]ref)
	var missing []string
	for _, id := range ids {
		key := id.String()
		r := d.cache.ref(kindCircuit, key)
		if v, ok := r.get(func(e *entry) bool { return e.key == key }); ok {
			found[id] = v.(*app.Circuit) //nolint:forcetypeassert // the kind fixes the type
		} else if _, asked := refs[id]; !asked {
			refs[id] = r
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		read, err := onReader(ctx, d, true, func(s *session) ([]*app.Circuit, error) {
			s.watch(ctx)
			return circuits{s}.byIDs(missing)
		})
		if err != nil {
			return nil, err
		}
		for _, c := range read {
			found[c.ID] = c
			refs[c.ID].put(c.ID.String(), c, circuitSize(c))
		}
	}
	out := make([]*app.Circuit, 0, len(ids))
	for _, id := range ids {
		if c := found[id]; c != nil {
			out = append(out, c)
		}
	}
	return out, nil
}

// The children come with their circuit and what they are sorted by; sorting them
// here spares SQLite a sort of all circuits' together.
var (
	circuitsByIDs = newInList(`SELECT `+circuitColumns+` FROM circuits WHERE id IN`, ``)
	membersOf     = newInList(`SELECT circuit_row, row, user_id, role, custom_role, permissions, joined_at
	FROM circuit_members WHERE circuit_row IN`, ``)
	rolesOf = newInList(`SELECT circuit_row, row, id, name, permissions, description, color, is_default, created_by, created_at
	FROM circuit_roles WHERE circuit_row IN`, ``)
	publishedOf = newInList(`SELECT p.circuit_row, p.published_at, i.dfid, p.item_row FROM circuit_published p
	JOIN items i ON i.row = p.item_row WHERE p.circuit_row IN`, ``)
	requestsOf = newInList(`SELECT circuit_row, row, `+joinColumns+` FROM join_requests
	WHERE status = 'Pending' AND circuit_row IN`, ``)
)

// child is a part of a circuit.
type child[T any] struct {
	circuit, order int64
	value          T
}

// behind scans further columns behind two that are fixed.
type behind struct {
	sc    scanner
	first [2]*int64
}

// Scan implements scanner.
func (b behind) Scan(dest ...any) error {
	return b.sc.Scan(append([]any{b.first[0], b.first[1]}, dest...)...)
}

// children reads the parts of circuits, in their order within each.
func children[T any](s *session, l inList, rows []int64, scan func(scanner) (T, error), add func(circuitRow int64, v T)) error {
	var all []child[T]
	err := eachChunk(l, rows, func(text string, args []any) error {
		list, err := collect(s, func(sc scanner) (c child[T], err error) {
			c.value, err = scan(behind{sc, [2]*int64{&c.circuit, &c.order}})
			return c, err
		}, text, args...)
		all = append(all, list...)
		return err
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b child[T]) int { return cmp.Compare(a.order, b.order) })
	for _, c := range all {
		add(c.circuit, c.value)
	}
	return nil
}

// published is an item that a circuit publishes.
type published struct {
	dfid string
	row  int64
}

func scanPublished(sc scanner) (p published, err error) {
	err = sc.Scan(&p.dfid, &p.row)
	return p, err
}

// fill gives circuits what is inside them.
func (t circuits) fill(byRow map[int64]*app.Circuit, rows []int64) error {
	err := children(t.s, membersOf, rows, scanMember, func(row int64, m app.CircuitMember) { byRow[row].Members = append(byRow[row].Members, m) })
	if err != nil {
		return fmt.Errorf("read members: %w", err)
	}
	err = children(t.s, rolesOf, rows, scanRole, func(row int64, r app.CustomRole) { byRow[row].Roles = append(byRow[row].Roles, r) })
	if err != nil {
		return fmt.Errorf("read roles: %w", err)
	}
	err = children(t.s, publishedOf, rows, scanPublished, func(row int64, p published) { byRow[row].Published = append(byRow[row].Published, p.dfid) })
	if err != nil {
		return fmt.Errorf("read published items: %w", err)
	}
	err = children(t.s, requestsOf, rows, scanJoin, func(row int64, j app.JoinRequest) { byRow[row].Requests = append(byRow[row].Requests, j) })
	if err != nil {
		return fmt.Errorf("read join requests: %w", err)
	}
	return nil
}

// byIDs reads circuits with all that ByID gives.
func (t circuits) byIDs(ids []string) ([]*app.Circuit, error) {
	var list []*app.Circuit
	err := eachChunk(circuitsByIDs, ids, func(text string, args []any) error {
		cs, err := collect(t.s, scanCircuit, text, args...)
		list = append(list, cs...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read circuits: %w", err)
	}
	byRow := make(map[int64]*app.Circuit, len(list))
	rows := make([]int64, len(list))
	for i, c := range list {
		byRow[c.Row], rows[i] = c, c.Row
	}
	return list, t.fill(byRow, rows)
}

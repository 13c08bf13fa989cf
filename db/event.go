package db

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// events is the store of events. They are only ever added.
type events struct{ s *session }

var _ app.EventRows = events{}

const eventColumns = `row, id, dfid, type, at, source, metadata, encrypted, visibility,
	content_hash, leaf_hash, local_event_id, is_local, pushed_to_circuit`

func scanEvent(sc scanner) (*app.Event, error) {
	var (
		e                                 app.Event
		id, metadata, localEvent, circuit string
		at                                int64
	)
	err := sc.Scan(&e.Row, &id, &e.DFID, &e.Type, &at, &e.Source, &metadata, &e.Encrypted,
		&e.Visibility, &e.ContentHash, &e.LeafHash, &localEvent, &e.Local, &circuit)
	if err != nil {
		return nil, err
	}
	e.At = fromUnix(at)
	if e.ID, err = uuid.Parse(id); err != nil {
		return nil, fmt.Errorf("event %d: id: %w", e.Row, err)
	}
	if e.LocalEventID, err = uuidFromText(localEvent); err != nil {
		return nil, fmt.Errorf("event %s: local id: %w", e.ID, err)
	}
	if e.PushedToCircuit, err = uuidFromText(circuit); err != nil {
		return nil, fmt.Errorf("event %s: circuit: %w", e.ID, err)
	}
	if err := fromJSON(metadata, &e.Metadata); err != nil {
		return nil, fmt.Errorf("event %s: metadata: %w", e.ID, err)
	}
	return &e, nil
}

// eventColumnsE are the same columns where another table has such names.
const eventColumnsE = `e.row, e.id, e.dfid, e.type, e.at, e.source, e.metadata, e.encrypted, e.visibility,
	e.content_hash, e.leaf_hash, e.local_event_id, e.is_local, e.pushed_to_circuit`

const eventsByItem = `SELECT ` + eventColumns + ` FROM events WHERE dfid = ?
	ORDER BY at DESC, row DESC LIMIT ? OFFSET ?`

// ByItem implements app.EventReads.
func (t events) ByItem(dfid string, p app.Page) ([]*app.Event, error) {
	return collect(t.s, scanEvent, eventsByItem, dfid, p.Limit, p.Offset)
}

var eventsByItems = newInList(`SELECT `+eventColumns+` FROM events WHERE dfid IN`,
	`ORDER BY dfid DESC, at DESC, row DESC`)

// ByItems implements app.EventReads.
func (t events) ByItems(dfids []string) (map[string][]*app.Event, error) {
	out := make(map[string][]*app.Event, len(dfids))
	unique := make([]string, 0, len(dfids))
	for _, d := range dfids {
		if _, have := out[d]; !have {
			out[d] = nil
			unique = append(unique, d)
		}
	}
	err := eachChunk(eventsByItems, unique, func(text string, args []any) error {
		es, err := collect(t.s, scanEvent, text, args...)
		for _, e := range es {
			out[e.DFID] = append(out[e.DFID], e)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// The circuit of an event is in its metadata, which is free form: LIKE finds it
// as the canonical JSON writes it, at any depth, so the reader looks again.
const publicCondition = `visibility = 'Public' AND encrypted <= ? AND (ci.whole = 1 OR pushed_to_circuit = ? OR metadata LIKE ?)`

var (
	eventsPublic = newInList(`SELECT `+eventColumnsE+` FROM items i
	CROSS JOIN circuit_items ci CROSS JOIN events e
	WHERE ci.item_row = i.row AND ci.circuit_row = ? AND e.row IN (
		SELECT row FROM events WHERE dfid = i.dfid AND `+publicCondition+`
		ORDER BY at DESC, row DESC LIMIT ?)
	AND i.dfid IN`, ``)
	eventsPublicCount = newInList(`SELECT COUNT(*) FROM items i
	CROSS JOIN circuit_items ci CROSS JOIN events e
	WHERE ci.item_row = i.row AND ci.circuit_row = ? AND e.dfid = i.dfid AND `+publicCondition+`
	AND i.dfid IN`, ``)
)

// Public implements app.EventReads.
func (t events) Public(p app.PublicEvents) (map[string][]*app.Event, int, error) {
	byItem, total := make(map[string][]*app.Event, len(p.DFIDs)), 0
	head := []any{p.CircuitRow, b2i(p.Encrypted), p.CircuitID, `%"circuit_id":"` + p.CircuitID + `"%`}
	err := eachChunk(eventsPublic, p.DFIDs, func(text string, args []any) error {
		es, err := collect(t.s, scanEvent, text, slices.Concat(head, []any{p.PerItem}, args)...)
		for _, e := range es {
			byItem[e.DFID] = append(byItem[e.DFID], e)
		}
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list public events: %w", err)
	}
	for _, es := range byItem {
		slices.SortFunc(es, func(a, b *app.Event) int {
			return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.Row, a.Row))
		})
	}
	err = eachChunk(eventsPublicCount, p.DFIDs, func(text string, args []any) error {
		var n int
		err := t.s.row(text, slices.Concat(head, args)...).Scan(&n)
		total += n
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("count public events: %w", err)
	}
	return byItem, total, nil
}

const eventLeaves = `SELECT leaf_hash FROM events WHERE dfid = ?`

// Leaves implements app.EventReads.
func (t events) Leaves(dfid string) ([]string, error) {
	return collect(t.s, scanText, eventLeaves, dfid)
}

const eventLeaf = `SELECT leaf_hash FROM events WHERE id = ? AND dfid = ?`

// Leaf implements app.EventReads.
func (t events) Leaf(dfid string, id uuid.UUID) (string, error) {
	leaf, err := scanText(t.s.row(eventLeaf, id.String(), dfid))
	return one(leaf, err, func() error {
		return app.NotFound(app.ReasonEventNotFound, "Event not found")
	})
}

const eventInsert = `INSERT INTO events (id, dfid, type, at, source, metadata, encrypted, visibility,
	content_hash, leaf_hash, local_event_id, is_local, pushed_to_circuit)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// Insert implements app.EventRows and sets Row.
func (t events) Insert(e *app.Event) error {
	row, err := t.s.insert(eventInsert, e.ID.String(), e.DFID, string(e.Type), toUnix(e.At),
		e.Source, objectText(e.Metadata), b2i(e.Encrypted), string(e.Visibility), e.ContentHash,
		e.LeafHash, uuidText(e.LocalEventID), b2i(e.Local), uuidText(e.PushedToCircuit))
	if err != nil {
		return fmt.Errorf("insert event: %w", err)
	}
	e.Row = row
	return nil
}

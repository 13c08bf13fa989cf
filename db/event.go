package db

import (
	"fmt"

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

package evidence

import (
	"context"
	"slices"
	"time"

	"github.com/defarm-repo/defarm/app"
)

// maxRecords is how many of an item's storage records are looked at.
const maxRecords = 10_000

// History is where an item's document was stored, newest first.
type History struct {
	DFID      string
	Records   []app.StorageRecord
	Primary   app.StorageLocation // of the active record, else of the newest
	CreatedAt time.Time           // of the oldest record
	UpdatedAt time.Time           // of the newest one
}

func noHistory() error {
	return app.NotFound(app.ReasonNoStorageHistory, "No storage history found for this DFID")
}

// StorageHistory returns the item's records; who sees the item in part sees
// those of his circuits. ReasonNoStorageHistory when there are none, and also
// when the item is not the caller's to read.
func (s *Service) StorageHistory(ctx context.Context, who app.Actor, dfid string, p app.Page) (History, error) {
	return s.history(ctx, who, dfid, p, noHistory(), func(v view, r app.StorageRecord) (app.StorageRecord, bool) {
		return r, v.whole || slices.Contains(v.circuits, r.CircuitID)
	})
}

// PublicStorageHistory is StorageHistory for everybody: ReasonItemNotPublic for
// items that no openly accessible circuit publishes. It does not tell who
// stored the document, nor through which unpublished circuit.
func (s *Service) PublicStorageHistory(ctx context.Context, dfid string, p app.Page) (History, error) {
	return s.history(ctx, everybody(), dfid, p, notPublic(dfid), func(v view, r app.StorageRecord) (app.StorageRecord, bool) {
		r.UserID = ""
		if v.openIn(r.CircuitID) {
			return r, true
		}
		r.CircuitID = ""
		return r, v.openWhole()
	})
}

func (s *Service) history(ctx context.Context, who app.Actor, dfid string, p app.Page, absent error,
	show func(view, app.StorageRecord) (app.StorageRecord, bool),
) (History, error) {
	h := History{DFID: dfid}
	err := s.reach(ctx, who, dfid, absent, func(r app.Reader, it *app.Item, v view) error {
		all, err := r.Storage().ByItem(it.Row, app.Page{Limit: maxRecords})
		for _, rec := range all {
			if rec, ok := show(v, rec); ok {
				h.Records = append(h.Records, rec)
			}
		}
		return err
	})
	if err != nil {
		return History{}, err
	}
	n := len(h.Records)
	if n == 0 {
		return History{}, noHistory()
	}
	h.Primary = h.Records[0].Location
	if i := slices.IndexFunc(h.Records, func(r app.StorageRecord) bool { return r.Active }); i >= 0 {
		h.Primary = h.Records[i].Location
	}
	h.CreatedAt, h.UpdatedAt = h.Records[n-1].StoredAt, h.Records[0].StoredAt
	from := min(p.Offset, n)
	h.Records = h.Records[from:min(from+p.Limit, n)]
	return h, nil
}

// Document is a stored item document.
type Document struct {
	Data []byte
	// Public is set when everybody may read it.
	Public bool
}

// Document returns the document with that CID to whoever may read what it shows
// of its item. who may be nobody (the zero Actor). ReasonBlockNotFound when
// there is none, and also when it is not the caller's to read.
func (s *Service) Document(ctx context.Context, who app.Actor, cid string) (Document, error) {
	absent := app.NotFound(app.ReasonBlockNotFound, "Block not found")
	var doc Document
	err := s.store.Read(ctx, func(r app.Reader) error {
		records, err := r.Storage().ByCID(cid)
		if err != nil {
			return err
		}
		allowed := false
		for _, rec := range records {
			if doc.Public {
				break
			}
			it, err := r.Items().ByRow(rec.ItemRow)
			if err != nil {
				return err
			}
			v, ok, err := s.documentView(r, who, it)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			doc.Public = v.openWhole() || v.openIn(rec.CircuitID)
			allowed = allowed || doc.Public || v.whole || slices.Contains(v.circuits, rec.CircuitID)
		}
		if !allowed {
			return absent
		}
		doc.Data, err = s.encoder.Decode(cid, r.Storage().Block)
		return err
	})
	if err != nil {
		return Document{}, err
	}
	return doc, nil
}

// documentView is view with the publications looked up for everybody: caches
// along the way need to know.
func (s *Service) documentView(r app.Reader, who app.Actor, it *app.Item) (view, bool, error) {
	v, ok, err := s.view(r, who, it)
	if err != nil || !v.whole {
		return v, ok, err
	}
	v.open, err = r.Items().Publications(it.Row, s.env.Now())
	return v, ok, err
}

package items

import (
	"cmp"
	"context"
	"slices"

	"github.com/defarm-repo/defarm/app"
)

const (
	// maxWalk is how many candidates a search compares.
	maxWalk = 10_000
	// maxRanked is how many matches a search ranks.
	maxRanked = 2_000
	// indexPiece is how many items one write brings into the index, and
	// indexPieces how many such writes a search makes before it gives up.
	indexPiece, indexPieces = 64, 80
)

type match struct {
	row  int64
	rank app.SearchRank
}

// Search returns the items that the caller sees and that contain the query in
// their DFID, their identifiers or a text of their data, without regard to case:
// the closest first, the oldest of equals first. Of an item that he sees in part
// only that part is compared. At most 2,000 matches among at most 10,000
// candidates are ranked, the oldest ones. An empty query is List.
//
// Everything stored before the call is found. ReasonSearchBusy when the index is
// too far behind for that; each call brings it forward.
func (s *Service) Search(ctx context.Context, who app.Actor, query string, f app.ItemFilter, p app.Page) ([]*app.Item, error) {
	query = app.FoldText(query)
	if query == "" {
		return s.List(ctx, who, f, p)
	}
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	var out []*app.Item
	err := s.store.Read(ctx, func(r app.Reader) error {
		matches, err := findMatches(r, who, query, f)
		if err != nil {
			return err
		}
		slices.SortStableFunc(matches, func(a, b match) int { return cmp.Compare(a.rank, b.rank) })
		from := min(p.Offset, len(matches))
		matches = matches[from : from+min(p.Limit, len(matches)-from)]
		rows := make([]int64, len(matches))
		for i, m := range matches {
			rows[i] = m.row
		}
		out, err = asSeen(r, who, rows)
		return err
	})
	return out, err
}

func findMatches(r app.Reader, who app.Actor, query string, f app.ItemFilter) (found []match, err error) {
	walked := 0
	err = r.Items().Candidates(who.UserID, who.IsAdmin, f, query, func(rows []int64) (bool, error) {
		its, err := asSeen(r, who, rows)
		if err != nil {
			return false, err
		}
		for _, it := range its {
			if rank := it.Rank(query); rank < app.RankNone && len(found) < maxRanked {
				found = append(found, match{it.Row, rank})
			}
		}
		walked += len(rows)
		return walked < maxWalk && len(found) < maxRanked, nil
	})
	return found, err
}

// asSeen reads items as the caller sees them.
func asSeen(r app.Reader, who app.Actor, rows []int64) ([]*app.Item, error) {
	its, err := r.Items().ByRows(rows)
	if err != nil || who.IsAdmin {
		return its, err
	}
	parts, err := r.Items().InPart(who.UserID, rows)
	for i, it := range its {
		if part, ok := parts[it.Row]; ok && !app.OwnsItem(who, it) {
			its[i] = it.Part(part)
		}
	}
	return its, err
}

// catchUp brings the index up to what is stored now.
func (s *Service) catchUp(ctx context.Context) error {
	var last int64
	err := s.store.Read(ctx, func(r app.Reader) (err error) {
		last, err = r.Items().SearchBacklog()
		return err
	})
	if err != nil || last == 0 {
		return err
	}
	for range indexPieces {
		var done bool
		err := s.store.Write(ctx, func(tx app.Tx) (err error) {
			done, err = tx.Items().IndexSearch(last, indexPiece)
			return err
		})
		if err != nil || done {
			return err
		}
	}
	return app.Busy(app.ReasonSearchBusy)
}

package app

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// MaxSearchText is how many bytes of an item's texts can be searched for; what
// lies behind them is not found by queries of three characters and more.
const MaxSearchText = 64 << 10

// SearchRank is how well an item answers a search; less is better.
type SearchRank int

// The ranks.
const (
	RankExact  SearchRank = iota // the DFID or an identifier's value
	RankPrefix                   // begins one of those
	RankInside                   // inside one of those, or inside a key
	RankData                     // inside a text of the data
	RankNone                     // not at all
)

// FoldText is the form in which searches compare texts.
func FoldText(s string) string { return FoldName(s) }

// Rank compares the item with a folded query. It looks at nothing but the
// item, so that a part of an item is found by that part alone.
func (it *Item) Rank(query string) SearchRank {
	best := rankName(it.DFID, query)
	for _, id := range it.Identifiers {
		best = min(best, rankName(id.Value, query))
		if best > RankInside && strings.Contains(FoldText(id.Key), query) {
			best = RankInside
		}
	}
	if best < RankNone {
		return best
	}
	found := false
	it.eachText(func(s string) bool {
		found = strings.Contains(FoldText(s), query)
		return !found
	})
	if found {
		return RankData
	}
	return RankNone
}

func rankName(name, query string) SearchRank {
	name = FoldText(name)
	switch {
	case name == query:
		return RankExact
	case strings.HasPrefix(name, query):
		return RankPrefix
	case strings.Contains(name, query):
		return RankInside
	}
	return RankNone
}

// SearchText is what an item is indexed by: its DFID, its identifiers and every
// text in its data, one a line, folded, at most MaxSearchText bytes.
func (it *Item) SearchText() string {
	var b strings.Builder
	b.WriteString(it.DFID)
	for _, id := range it.Identifiers {
		b.WriteString("\n" + id.Key + "\n" + id.Value)
	}
	it.eachText(func(s string) bool {
		b.WriteString("\n" + s)
		return b.Len() < MaxSearchText
	})
	text := FoldText(b.String())
	if len(text) > MaxSearchText {
		text = strings.ToValidUTF8(text[:MaxSearchText], "")
	}
	return text
}

// SameSearchText reports whether two versions of an item are found alike.
func (it *Item) SameSearchText(o *Item) bool {
	same := func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }
	return it.DFID == o.DFID && maps.EqualFunc(it.Data, o.Data, same) &&
		slices.EqualFunc(it.Identifiers, o.Identifiers, func(a, b Identifier) bool { return a.Key == b.Key && a.Value == b.Value })
}

// eachText gives the texts of the data at any depth, without keys, in order of
// the keys, until fn says false.
func (it *Item) eachText(fn func(string) bool) {
	for _, key := range slices.Sorted(maps.Keys(it.Data)) {
		raw := it.Data[key]
		if !bytes.Contains(raw, []byte{'"'}) {
			continue
		}
		var v any
		if json.Unmarshal(raw, &v) == nil && !eachText(v, fn) { // what is no JSON has no texts
			return
		}
	}
}

func eachText(v any, fn func(string) bool) bool {
	switch v := v.(type) {
	case string:
		return fn(v)
	case []any:
		for _, e := range v {
			if !eachText(e, fn) {
				return false
			}
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if !eachText(v[key], fn) {
				return false
			}
		}
	}
	return true
}

// ItemCounts are the counts of a set of items by status.
type ItemCounts struct {
	Total, Active, Deprecated, Merged, Split int64   // Merged counts MergedInto too
	Confidence                               float64 // sum
}

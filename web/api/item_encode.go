package api

import (
	"strconv"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/canon"
)

// itemStatusText is the status as contract 02 §5.3 shows it.
func itemStatusText(it *app.Item) string {
	if it.Status == app.ItemMergedInto {
		return `MergedInto("` + it.MergedInto + `")`
	}
	return string(it.Status)
}

// encodeItem writes an item. It runs once for each version of an item that is
// read, and encoding/json takes four times as long.
func encodeItem(it *app.Item) []byte {
	size := 256 + 160*len(it.Identifiers) + 40*len(it.SourceEntries)
	for k, v := range it.Data {
		size += len(k) + len(v) + 4
	}
	b := make([]byte, 0, size)
	b = append(b, `{"dfid":`...)
	b = canon.AppendString(b, it.DFID)
	b = append(b, `,"identifiers":[`...)
	for i, id := range it.Identifiers {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendIdentifier(b, id)
	}
	b = append(b, `],"enriched_data":`...)
	b = canon.AppendObject(b, it.Data)
	b = append(b, `,"creation_timestamp":`...)
	b = strconv.AppendInt(b, it.CreatedAt.Unix(), 10)
	b = append(b, `,"last_modified":`...)
	b = strconv.AppendInt(b, it.ModifiedAt.Unix(), 10)
	b = append(b, `,"source_entries":[`...)
	for i, entry := range it.SourceEntries {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), entry.String()...), '"')
	}
	b = append(b, `],"status":`...)
	b = canon.AppendString(b, itemStatusText(it))
	return append(b, '}')
}

// encodeItems joins the encoded items to a list.
func encodeItems(its []*app.Item) encoded[[]itemJSON] {
	size := 2
	parts := make([][]byte, len(its))
	for i, it := range its {
		parts[i] = it.Wire(encodeItem)
		size += len(parts[i]) + 1
	}
	b := append(make([]byte, 0, size), '[')
	for i, part := range parts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, part...)
	}
	return append(b, ']')
}

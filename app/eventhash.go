package app

import (
	"encoding/hex"
	"math"
	"strconv"
	"time"

	"lukechampine.com/blake3"

	"github.com/defarm-repo/defarm/app/canon"
)

// ComputeContentHash returns the hash by which equal facts are recognised
// (contract 05 R2): BLAKE3, as 64 hexadecimal digits, of dfid, type, source and
// metadata, one after the other without separators. Time, visibility and id are
// not in it.
//
// The formula cannot tell where one field ends, so whoever finds an event with
// the same hash compares the fields too.
//
// Metadata values must be canonical (package canon), here and below.
func (e *Event) ComputeContentHash() string {
	b := append(make([]byte, 0, 512), e.DFID...)
	b = append(b, e.Type...)
	b = append(b, e.Source...)
	b = canon.AppendObject(b, e.Metadata)
	sum := blake3.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// ComputeLeafHash returns the event's leaf in its item's Merkle tree (contract
// 07 §6.1): BLAKE3, as 64 hexadecimal digits, of
//
//	event_id|event_type|ts_nanos|source|metadata
//
// where ts_nanos is the whole second of At in nanoseconds, so that a client can
// rebuild the leaf from what the API shows. All events of an item are leaves,
// whatever their visibility.
func (e *Event) ComputeLeafHash() string {
	var id [36]byte
	hexUUID(&id, e.ID)
	b := append(make([]byte, 0, 512), id[:]...)
	b = append(b, '|')
	b = append(b, e.Type...)
	b = append(b, '|')
	b = strconv.AppendInt(b, leafNanos(e.At), 10)
	b = append(b, '|')
	b = append(b, e.Source...)
	b = append(b, '|')
	b = canon.AppendObject(b, e.Metadata)
	sum := blake3.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// hexUUID writes the lower-case hyphenated form.
func hexUUID(dst *[36]byte, id [16]byte) {
	hex.Encode(dst[0:8], id[0:4])
	hex.Encode(dst[9:13], id[4:6])
	hex.Encode(dst[14:18], id[6:8])
	hex.Encode(dst[19:23], id[8:10])
	hex.Encode(dst[24:], id[10:])
	dst[8], dst[13], dst[18], dst[23] = '-', '-', '-', '-'
}

// leafNanos is the whole second of at in nanoseconds since 1970, or 0 where
// 64 bits do not hold it.
func leafNanos(at time.Time) int64 {
	s := at.Unix()
	if s > math.MaxInt64/int64(time.Second) || s < math.MinInt64/int64(time.Second) {
		return 0
	}
	return s * int64(time.Second)
}

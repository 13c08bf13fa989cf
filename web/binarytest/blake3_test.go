package binarytest

import (
	endian "encoding/binary"
	"encoding/hex"
	"math/bits"
	"strings"
	"testing"
)

// BLAKE3 of up to one chunk, written from its specification, so that what the
// server hashes is checked by code that it does not contain.

const (
	blakeChunk = 1024 // bytes
	blakeBlock = 64

	flagChunkStart, flagChunkEnd, flagRoot = 1, 2, 8
)

type blakeWords = [16]uint32

func blakeStart() [8]uint32 {
	return [8]uint32{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}
}

// quarter is the mixing function G.
func quarter(v *blakeWords, a, b, c, d int, x, y uint32) {
	v[a] += v[b] + x
	v[d] = bits.RotateLeft32(v[d]^v[a], -16)
	v[c] += v[d]
	v[b] = bits.RotateLeft32(v[b]^v[c], -12)
	v[a] += v[b] + y
	v[d] = bits.RotateLeft32(v[d]^v[a], -8)
	v[c] += v[d]
	v[b] = bits.RotateLeft32(v[b]^v[c], -7)
}

// compress takes one block into the chaining value.
func compress(chain [8]uint32, block []byte, flags uint32) [8]uint32 {
	var m blakeWords
	var padded [blakeBlock]byte
	copy(padded[:], block)
	for i := range m {
		m[i] = endian.LittleEndian.Uint32(padded[4*i:])
	}
	iv := blakeStart()
	var v blakeWords
	copy(v[:8], chain[:])
	copy(v[8:12], iv[:4])
	v[14], v[15] = uint32(len(block)), flags // 12 and 13 count chunks: this is the first
	for round := range 7 {
		for i := range 4 { // columns
			quarter(&v, i, 4+i, 8+i, 12+i, m[2*i], m[2*i+1])
		}
		for i := range 4 { // diagonals
			quarter(&v, i, 4+(i+1)%4, 8+(i+2)%4, 12+(i+3)%4, m[8+2*i], m[9+2*i])
		}
		if round < 6 {
			old := m
			for i, from := range [16]int{2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8} {
				m[i] = old[from]
			}
		}
	}
	for i := range chain {
		chain[i] = v[i] ^ v[i+8]
	}
	return chain
}

// ownHash is the BLAKE3 hash of the parts with "|" between them, in hex.
func ownHash(t *testing.T, parts ...string) string {
	t.Helper()
	data := []byte(strings.Join(parts, "|"))
	if len(data) > blakeChunk {
		t.Fatalf("%d bytes to hash: this implementation takes one chunk", len(data))
	}
	chain, flags := blakeStart(), uint32(flagChunkStart)
	for len(data) > blakeBlock {
		chain = compress(chain, data[:blakeBlock], flags)
		data, flags = data[blakeBlock:], 0
	}
	chain = compress(chain, data, flags|flagChunkEnd|flagRoot)
	var out []byte
	for _, word := range chain {
		out = endian.LittleEndian.AppendUint32(out, word)
	}
	return hex.EncodeToString(out)
}

// The published vectors: byte i of the input is i modulo 251.
func TestOwnHash(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{
		0:    "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
		1:    "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
		1024: "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
	} {
		in := make([]byte, n)
		for i := range in {
			in[i] = byte(i % 251)
		}
		if got := ownHash(t, string(in)); got != want {
			t.Errorf("%d bytes: got %s, want %s", n, got, want)
		}
	}
}

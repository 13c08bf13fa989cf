package app_test

import (
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"testing"
)

// slowBLAKE3 is a second implementation of unkeyed BLAKE3 with 32 bytes of
// output, written from the specification without regard for speed, so that the
// hashes we publish do not rest on one library.
func slowBLAKE3(in []byte) string {
	words := slowTree(in, 0, true)
	out := make([]byte, 0, 32)
	for _, w := range words[:8] {
		out = binary.LittleEndian.AppendUint32(out, w)
	}
	return hex.EncodeToString(out)
}

const (
	chunkStart, chunkEnd, parent, rootFlag = 1, 2, 4, 8
	chunkLen, blockLen                     = 1024, 64
)

var slowIV = [8]uint32{0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19}

// slowTree hashes the subtree that starts at that chunk: the left side is the
// largest power of two of whole chunks that leaves something for the right.
func slowTree(in []byte, chunk uint64, isRoot bool) [16]uint32 {
	flags := uint32(0)
	if isRoot {
		flags = rootFlag
	}
	if len(in) <= chunkLen {
		return slowChunk(in, chunk, flags)
	}
	left := chunkLen << (bits.Len(uint((len(in)-1)/chunkLen)) - 1)
	l := slowTree(in[:left], chunk, false)
	r := slowTree(in[left:], chunk+uint64(left/chunkLen), false)
	var block [16]uint32
	copy(block[:8], l[:8])
	copy(block[8:], r[:8])
	return slowCompress(slowIV, block, 0, blockLen, flags|parent)
}

func slowChunk(in []byte, chunk uint64, flags uint32) [16]uint32 {
	cv := slowIV
	for start := uint32(chunkStart); ; start = 0 {
		n := min(len(in), blockLen)
		var raw [blockLen]byte
		copy(raw[:], in[:n])
		var block [16]uint32
		for i := range block {
			block[i] = binary.LittleEndian.Uint32(raw[4*i:])
		}
		if len(in) <= blockLen {
			return slowCompress(cv, block, chunk, uint32(n), flags|start|chunkEnd)
		}
		out := slowCompress(cv, block, chunk, blockLen, start)
		copy(cv[:], out[:8])
		in = in[n:]
	}
}

func slowCompress(cv [8]uint32, m [16]uint32, counter uint64, n, flags uint32) [16]uint32 {
	v := [16]uint32{
		cv[0], cv[1], cv[2], cv[3], cv[4], cv[5], cv[6], cv[7],
		slowIV[0], slowIV[1], slowIV[2], slowIV[3], uint32(counter), uint32(counter >> 32), n, flags,
	}
	g := func(a, b, c, d int, x, y uint32) {
		v[a] += v[b] + x
		v[d] = bits.RotateLeft32(v[d]^v[a], -16)
		v[c] += v[d]
		v[b] = bits.RotateLeft32(v[b]^v[c], -12)
		v[a] += v[b] + y
		v[d] = bits.RotateLeft32(v[d]^v[a], -8)
		v[c] += v[d]
		v[b] = bits.RotateLeft32(v[b]^v[c], -7)
	}
	for range 7 {
		for i := range 4 {
			g(i, 4+i, 8+i, 12+i, m[2*i], m[2*i+1])
		}
		for i := range 4 {
			g(i, 4+(i+1)%4, 8+(i+2)%4, 12+(i+3)%4, m[8+2*i], m[9+2*i])
		}
		old := m
		for i, from := range [16]int{2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8} {
			m[i] = old[from]
		}
	}
	for i := range 8 {
		v[i] ^= v[i+8]
		v[i+8] ^= cv[i]
	}
	return v
}

func TestSlowBLAKE3(t *testing.T) {
	t.Parallel()
	// The empty input's hash is the specification's; the other is EMPTY of
	// contract 07 §6.1.
	for in, want := range map[string]string{
		"":           "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
		"EMPTY_NODE": "239b969c5e5d95683552cc30988f2468bb38266445c2369d2c9449fece14d377",
	} {
		if got := slowBLAKE3([]byte(in)); got != want {
			t.Errorf("slowBLAKE3(%q) = %s, want %s", in, got, want)
		}
	}
}

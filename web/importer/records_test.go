package importer

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// readAll returns the rows as "line: fields" or "line: ! problem".
func readAll(t *testing.T, src io.Reader) []string {
	t.Helper()
	r, _, err := openRecords(src)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for {
		rec, err := r.next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		s := "! " + rec.problem
		if rec.problem == "" {
			s = strings.Join(rec.fields, "|")
		}
		out = append(out, string(rune('0'+rec.line%10))+": "+s)
	}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	many := "a,b\n1,\"open\n" + strings.Repeat("2,x\n", 3*maxRecordLines)
	tests := []struct {
		name, in string
		want     []string
	}{
		{"plain", "a,b\n1,2\n3,4\n", []string{"2: 1|2", "3: 3|4"}},
		{"no final line end", "a,b\n1,2", []string{"2: 1|2"}},
		{"byte order mark, CRLF, semicolons", "\ufeffa;b\r\n1;2,5\r\n", []string{"2: 1|2,5"}},
		{"tabs", "a\tb\n1\t2;3,4\n", []string{"2: 1|2;3,4"}},
		{"blank lines count", "\n\na,b\n\n1,2\n,\n ; \n3,4\n", []string{"5: 1|2", "8: 3|4"}},
		{"quotes", "a,b\n\"x, y\",\"say \"\"hi\"\"\"\n", []string{`2: x, y|say "hi"`}},
		{"line break in quotes", "a,b\n\"x\r\ny\",2\n3,4\n", []string{"2: x\ny|2", "4: 3|4"}},
		{"number of fields", "a,b\n1\n1,2,3\n4,5\n", []string{"2: ! has 1 fields, the header has 2", "3: ! has 3 fields, the header has 2", "4: 4|5"}},
		{"stray quote", "a,b\n1,5\" wide\n2,x\n3,y\n", []string{"2: ! a quote is not closed", "3: 2|x", "4: 3|y"}},
		{"two stray quotes", "a,b\n1,5\" by 6\"\n2,x\n", []string{"2: ! the quotes do not match (column 4)", "3: 2|x"}},
		{"stray quotes in two lines", "a,b\n1,5\"\n2,6\"\n3,y\n", []string{"2: ! a quote is not closed", "3: ! a quote is not closed", "4: 3|y"}},
		{"not UTF-8", "a,b\n1,A\xe7ucena\n2,x\n", []string{"2: ! is not UTF-8 text", "3: 2|x"}},
		{"zero character", "a,b\n1,\x00\n2,x\n", []string{"2: ! contains a zero character", "3: 2|x"}},
		{
			"long line", "a,b\n1," + strings.Repeat("x", 3*maxLineBytes) + "\n2,x\n",
			[]string{"2: ! longer than 65536 bytes", "3: 2|x"},
		},
		{"long line at the end", "a,b\n" + strings.Repeat("x", maxLineBytes), []string{"2: ! longer than 65536 bytes"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, readAll(t, strings.NewReader(tt.in))); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, readAll(t, iotest.OneByteReader(strings.NewReader(tt.in)))); diff != "" {
				t.Errorf("rows byte by byte (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("quote open to the end costs one row", func(t *testing.T) {
		t.Parallel()
		got := readAll(t, strings.NewReader(many))
		if len(got) != 1+3*maxRecordLines || got[0] != "2: ! a quote is not closed" {
			t.Errorf("got %d rows, the first %q", len(got), got[0])
		}
	})
}

func TestReadErrorEndsTheFile(t *testing.T) {
	t.Parallel()
	r, _, err := openRecords(io.MultiReader(strings.NewReader("a,b\n1,2\n"), iotest.ErrReader(errors.New("disk on fire"))))
	if err != nil {
		t.Fatal(err)
	}
	if rec, err := r.next(); err != nil || len(rec.fields) != 2 {
		t.Fatalf("got %v, %v; want the first row", rec, err)
	}
	if _, err := r.next(); err == nil || !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("got %v, want the read error", err)
	}
}

// FuzzRecords checks that reading ends, moves forward, and stays in the file,
// whatever is in it.
func FuzzRecords(f *testing.F) {
	for _, s := range []string{"a,b\n1,2\n", "a;b\r\n\"1\n2\";3\n\"\n", "\ufeffa\n\"", "a,b\n\"\"\"\n,\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		r, header, err := openRecords(strings.NewReader(in))
		if err != nil {
			return
		}
		line, end := 0, int64(0)
		for {
			rec, err := r.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if rec.line <= line || rec.end <= end || rec.end > int64(len(in)) {
				t.Fatalf("row at line %d to byte %d after line %d to byte %d of %d", rec.line, rec.end, line, end, len(in))
			}
			if rec.problem == "" && len(rec.fields) != len(header) {
				t.Fatalf("line %d: %d fields, header has %d", rec.line, len(rec.fields), len(header))
			}
			line, end = rec.line, rec.end
		}
	})
}

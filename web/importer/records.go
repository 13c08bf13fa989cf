package importer

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Bounds of what is read at once, so that no file can fill the memory.
const (
	maxLineBytes   = 64 << 10 // one line; a longer one is refused
	maxRecordLines = 20       // lines of one record with line breaks inside quotes
)

// line is one physical line, without its end.
type line struct {
	number int
	text   string
	end    int64 // bytes of the file up to and including this line
	long   bool  // over maxLineBytes; text is empty
}

// record is one row as written. problem is why it cannot be read, else "".
type record struct {
	line    int
	fields  []string
	end     int64
	problem string
}

// records reads CSV row by row. Unlike encoding/csv it survives a stray quote:
// the line that has it is refused and the next one is read as usual, where
// encoding/csv would take the rest of the file for one field.
type records struct {
	src     *bufio.Reader
	comma   rune
	width   int // fields of the header
	number  int
	offset  int64
	pending []line // read ahead while looking for a closing quote
}

// openRecords reads the header and finds the delimiter.
func openRecords(src io.Reader) (*records, []string, error) {
	r := &records{src: bufio.NewReaderSize(src, maxLineBytes)}
	first, err := r.take()
	for err == nil && strings.TrimSpace(first.text) == "" && !first.long {
		first, err = r.take()
	}
	if errors.Is(err, io.EOF) {
		return nil, nil, errors.New("the file is empty")
	}
	if err != nil {
		return nil, nil, err
	}
	text := strings.TrimPrefix(first.text, "\ufeff")
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
		return nil, nil, errors.New("the file is UTF-16: save it as UTF-8")
	}
	if first.long || !utf8.ValidString(text) {
		return nil, nil, errors.New("the first line is not a header in UTF-8: save the file as CSV in UTF-8")
	}
	r.comma = delimiter(text)
	header, err := r.parse(text)
	if err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	r.width = len(header)
	return r, header, nil
}

// delimiter is the candidate that the header has most of.
func delimiter(header string) rune {
	best, most := ',', 0
	for _, c := range []rune{',', ';', '\t'} {
		if n := strings.Count(header, string(c)); n > most {
			best, most = c, n
		}
	}
	return best
}

// next returns the next row that is not blank; io.EOF at the end.
func (r *records) next() (record, error) {
	for {
		l, err := r.take()
		if err != nil {
			return record{}, err
		}
		if l.long {
			return record{line: l.number, end: l.end, problem: fmt.Sprintf("longer than %d bytes", maxLineBytes)}, nil
		}
		if strings.Trim(l.text, " \t\r,;") == "" {
			continue
		}
		return r.record(l)
	}
}

// record reads the row that starts with first, following lines included where
// a quoted field goes on in them.
func (r *records) record(first line) (record, error) {
	rec := record{line: first.number, end: first.end}
	if reason := textProblem(first.text); reason != "" {
		rec.problem = reason
		return rec, nil
	}
	if strings.Count(first.text, `"`)%2 == 0 {
		rec.fields, rec.problem = r.fields(first.text)
		return rec, nil
	}
	more, text, err := r.untilClosed(first.text)
	if err != nil {
		return record{}, err
	}
	fields, problem := r.fields(text)
	if problem == "" {
		rec.fields, rec.end = fields, more[len(more)-1].end
		return rec, nil
	}
	r.pending = append(more, r.pending...)
	rec.problem = "a quote is not closed"
	return rec, nil
}

// untilClosed appends lines to text until its quotes match, or until the
// bounds. It returns the lines taken.
func (r *records) untilClosed(text string) ([]line, string, error) {
	var more []line
	for len(more) < maxRecordLines && len(text) < maxLineBytes {
		l, err := r.take()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, "", err
		}
		more = append(more, l)
		if l.long || textProblem(l.text) != "" {
			break
		}
		text += "\n" + l.text
		if strings.Count(l.text, `"`)%2 == 1 {
			break
		}
	}
	return more, text, nil
}

// fields splits a complete row and checks the number of its fields.
func (r *records) fields(text string) ([]string, string) {
	f, err := r.parse(text)
	if err != nil {
		return nil, err.Error()
	}
	if len(f) != r.width {
		return nil, fmt.Sprintf("has %d fields, the header has %d", len(f), r.width)
	}
	return f, ""
}

func (r *records) parse(text string) ([]string, error) {
	c := csv.NewReader(strings.NewReader(text))
	c.Comma, c.FieldsPerRecord = r.comma, -1
	f, err := c.Read()
	if err == nil {
		if _, err = c.Read(); errors.Is(err, io.EOF) {
			return f, nil
		}
		return nil, errors.New("the quotes do not match")
	}
	var at *csv.ParseError
	if errors.As(err, &at) {
		return nil, fmt.Errorf("the quotes do not match (column %d)", at.Column)
	}
	return nil, err
}

func textProblem(s string) string {
	switch {
	case !utf8.ValidString(s):
		return "is not UTF-8 text"
	case strings.ContainsRune(s, 0):
		return "contains a zero character"
	default:
		return ""
	}
}

// take returns the next physical line.
func (r *records) take() (line, error) {
	if len(r.pending) > 0 {
		l := r.pending[0]
		r.pending = r.pending[1:]
		return l, nil
	}
	raw, err := r.src.ReadSlice('\n')
	if len(raw) == 0 && err != nil {
		return line{}, err
	}
	r.number++
	r.offset += int64(len(raw))
	l := line{number: r.number, text: string(bytes.TrimRight(raw, "\r\n"))}
	for errors.Is(err, bufio.ErrBufferFull) {
		l.long, l.text = true, ""
		raw, err = r.src.ReadSlice('\n')
		r.offset += int64(len(raw))
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return line{}, fmt.Errorf("read line %d: %w", r.number, err)
	}
	l.end = r.offset
	return l, nil
}

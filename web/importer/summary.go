package importer

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"text/tabwriter"
)

const (
	keptRows  = 1000 // refused and failed rows kept for the report, each
	shownRows = 20   // of them, shown in the text report, each
)

// RowReport is one row that was not taken.
type RowReport struct {
	Line   int    `json:"line"` // of the file, the header being line 1
	Reason string `json:"reason"`
}

// Summary is the outcome of an import. Read is the sum of the other counts
// and of Valid in a dry run.
type Summary struct {
	DryRun         bool        `json:"dry_run"`
	Read           int         `json:"read"`            // rows of the file
	Valid          int         `json:"valid"`           // dry run: rows that would be sent
	Created        int         `json:"created"`         // new items
	Enriched       int         `json:"enriched"`        // items that existed
	Skipped        int         `json:"skipped"`         // done by an earlier run, says the state file
	Refused        int         `json:"refused"`         // not sent: the row cannot be right
	Failed         int         `json:"failed"`          // sent, and answered with an error
	Unsent         int         `json:"unsent"`          // read, but the import ended early
	RefusedRows    []RowReport `json:"refused_rows"`    // in file order, at most 1,000
	FailedRows     []RowReport `json:"failed_rows"`     // in file order, at most 1,000
	IgnoredColumns []string    `json:"ignored_columns"` // header fields that are not understood
	StoppedBy      string      `json:"stopped_by"`      // why the import ended early, else ""
}

// tally is a Summary being counted by many goroutines.
type tally struct {
	mu  sync.Mutex
	sum Summary
}

// count changes the summary and returns how it then stands, without its rows.
func (t *tally) count(change func(*Summary)) Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.sum)
	s := t.sum
	s.RefusedRows, s.FailedRows, s.IgnoredColumns = nil, nil, nil
	return s
}

func keep(rows []RowReport, line int, reason string) []RowReport {
	if len(rows) < keptRows {
		rows = append(rows, RowReport{Line: line, Reason: reason})
	}
	return rows
}

// result returns the summary in its final order, with lists instead of nulls.
func (t *tally) result() *Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.sum
	byLine := func(a, b RowReport) int { return a.Line - b.Line }
	s.RefusedRows = slices.SortedFunc(slices.Values(s.RefusedRows), byLine)
	s.FailedRows = slices.SortedFunc(slices.Values(s.FailedRows), byLine)
	if s.RefusedRows == nil {
		s.RefusedRows = []RowReport{}
	}
	if s.FailedRows == nil {
		s.FailedRows = []RowReport{}
	}
	if s.IgnoredColumns == nil {
		s.IgnoredColumns = []string{}
	}
	return &s
}

// WriteJSON writes the summary as one JSON document.
func (s *Summary) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(s)
}

// WriteText writes the summary as a table with the rows that were not taken.
func (s *Summary) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(name string, n int, always bool) {
		if always || n > 0 {
			fmt.Fprintf(t, "%s\t%d\t\n", name, n)
		}
	}
	line("read", s.Read, true)
	if s.DryRun {
		line("valid", s.Valid, true)
	} else {
		line("created", s.Created, true)
		line("enriched", s.Enriched, true)
	}
	line("skipped (done earlier)", s.Skipped, false)
	line("refused", s.Refused, true)
	line("failed", s.Failed, !s.DryRun)
	line("not sent", s.Unsent, false)
	if err := t.Flush(); err != nil {
		return err
	}
	if err := writeRows(w, "refused", s.RefusedRows, s.Refused); err != nil {
		return err
	}
	return writeRows(w, "failed", s.FailedRows, s.Failed)
}

func writeRows(w io.Writer, what string, rows []RowReport, all int) error {
	if all == 0 {
		return nil
	}
	if _, err := fmt.Fprintf(w, "\n%s:\n", what); err != nil {
		return err
	}
	for _, r := range rows[:min(len(rows), shownRows)] {
		if _, err := fmt.Fprintf(w, "  line %d: %s\n", r.Line, r.Reason); err != nil {
			return err
		}
	}
	if all > shownRows {
		_, err := fmt.Fprintf(w, "  and %d more (--json lists up to %d)\n", all-shownRows, keptRows)
		return err
	}
	return nil
}

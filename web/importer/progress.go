package importer

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows how far an import is: a bar on a terminal, else a line for
// every tenth of the file. Faults of the terminal are not the import's.
type progress struct {
	mu   sync.Mutex
	out  io.Writer
	size int64 // bytes of the file; 0 when not known
	seen int64 // furthest end of a finished row
	step int   // tenths that were shown
	bar  *progressbar.ProgressBar
}

// newProgress writes to out; size is the file's, in bytes.
func newProgress(out io.Writer, size int64) *progress {
	p := &progress{out: out, size: size}
	if f, ok := out.(*os.File); ok && size > 0 && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions64(size,
			progressbar.OptionSetWriter(out),
			progressbar.OptionSetWidth(30),
			progressbar.OptionSetDescription("importing"),
			progressbar.OptionClearOnFinish())
	}
	return p
}

// row notes that everything up to end (in bytes) may be done, and what the
// counts are now. A nil progress shows nothing.
func (p *progress) row(end int64, s Summary) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = max(p.seen, end)
	if p.bar != nil {
		if s.Read%50 == 0 {
			p.bar.Describe(standing(s))
		}
		_ = p.bar.Set64(min(p.seen, p.size)) // a terminal that cannot be written to
		return
	}
	if p.size == 0 {
		return
	}
	if step := int(p.seen * 10 / p.size); step > p.step && step < 10 {
		p.step = step
		_, _ = fmt.Fprintf(p.out, "%3d %%  %s\n", step*10, standing(s)) // as above
	}
}

// standing is the counts in a few words.
func standing(s Summary) string {
	if s.DryRun {
		return fmt.Sprintf("%d valid, %d refused", s.Valid, s.Refused)
	}
	return fmt.Sprintf("%d created, %d enriched, %d refused, %d failed", s.Created, s.Enriched, s.Refused, s.Failed)
}

// close takes the bar off the terminal.
func (p *progress) close() {
	if p == nil || p.bar == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.bar.Finish() // as in row
}

package identity

import (
	"context"
	"log/slog"
	"time"
)

// stopwatch measures the stages of one login for the histogram and, at debug
// level, for one line of the log. It measures durations with the service's
// clock, so a fixed clock gives zeros.
type stopwatch struct {
	s      *Service
	stages []slog.Attr
}

func (s *Service) watch() *stopwatch { return &stopwatch{s: s} }

// begin starts a stage; the function it returns ends it.
func (w *stopwatch) begin(stage string) (end func()) {
	start := w.s.env.Now()
	return func() {
		took := max(0, w.s.env.Now().Sub(start))
		w.s.metrics.stages.WithLabelValues(stage).Observe(took.Seconds())
		w.stages = append(w.stages, slog.Duration(stage, took.Round(time.Microsecond)))
	}
}

// log writes the stages. The name that was typed is left out: people type
// passwords into that field.
func (w *stopwatch) log(ctx context.Context, outcome string) {
	if !w.s.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := append([]slog.Attr{slog.String("outcome", outcome)}, w.stages...)
	w.s.log.LogAttrs(ctx, slog.LevelDebug, "login", attrs...)
}

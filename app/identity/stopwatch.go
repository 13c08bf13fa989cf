package identity

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// stopwatch measures the stages of one login for the histogram, for the trace
// and, at debug level, for one line of the log. It measures durations with the
// service's clock, so a fixed clock gives zeros.
type stopwatch struct {
	s      *Service
	ctx    context.Context //nolint:containedctx // of the login, which is the stopwatch's life
	stages []slog.Attr
}

func (s *Service) watch(ctx context.Context) *stopwatch { return &stopwatch{s: s, ctx: ctx} }

// begin starts a stage; the function it returns ends it.
func (w *stopwatch) begin(stage string) (end func()) {
	start := w.s.env.Now()
	span := childSpan(w.ctx, stage)
	return func() {
		span.End()
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

// childSpan starts a span below the request's, if that one is recorded.
func childSpan(ctx context.Context, name string) trace.Span {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return noop.Span{}
	}
	_, span := parent.TracerProvider().Tracer("github.com/defarm-repo/defarm/app/identity").Start(ctx, name)
	return span
}

package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

// tracePatience is how long the last spans may take to leave.
const tracePatience = 5 * time.Second

// open starts sending spans to the collector; nil when there is none. The
// library's own variables (OTEL_…) are not read, nor its globals set: several
// servers live in one process.
func (t *TracingConfig) open(ctx context.Context, log *slog.Logger) (*trace.TracerProvider, error) {
	if t.Endpoint == "" {
		return nil, nil //nolint:nilnil // no traces is the default
	}
	endpoint := t.Endpoint
	if u, err := url.Parse(endpoint); err == nil && strings.Trim(u.Path, "/") == "" {
		endpoint = u.JoinPath("v1", "traces").String() // where collectors have it
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint))
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	return trace.NewTracerProvider(
		trace.WithBatcher(loggedExporter{exporter, log}),
		trace.WithSampler(trace.TraceIDRatioBased(t.SampleRatio)),
		trace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "defarm"), attribute.String("service.version", Version))),
	), nil
}

// loggedExporter tells our log about spans that did not leave; the library would
// tell a global.
type loggedExporter struct {
	trace.SpanExporter
	log *slog.Logger
}

// ExportSpans implements trace.SpanExporter and never fails.
func (e loggedExporter) ExportSpans(ctx context.Context, spans []trace.ReadOnlySpan) error {
	if err := e.SpanExporter.ExportSpans(ctx, spans); err != nil {
		e.log.LogAttrs(ctx, slog.LevelWarn, "traces not sent", slog.Int("spans", len(spans)), slog.String("error", err.Error()))
	}
	return nil
}

func closeTraces(p *trace.TracerProvider) error {
	if p == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), tracePatience)
	defer cancel()
	if err := p.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last traces: %w", err)
	}
	return nil
}

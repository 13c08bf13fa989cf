package server

// TracingConfig is where traces of requests go.
type TracingConfig struct {
	// Endpoint is the URL of an OpenTelemetry collector (OTLP over HTTP), as
	// "http://127.0.0.1:4318"; empty: no traces.
	Endpoint string `mapstructure:"endpoint"`
	// SampleRatio is the share of requests that are traced, 0 to 1.
	SampleRatio float64 `mapstructure:"sample_ratio"`
}

func (t *TracingConfig) check(k *checker) {
	if t.Endpoint != "" && !isHTTPURL(t.Endpoint) {
		k.add("tracing.endpoint", "must be an http or https URL")
	}
	between(k, "tracing.sample_ratio", t.SampleRatio, 0, 1)
}

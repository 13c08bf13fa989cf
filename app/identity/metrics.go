package identity

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/defarm-repo/defarm/app/password"
)

// The stages of a login, as operators know them from the original.
const (
	stageStorage = "acquire_storage"
	stageUser    = "get_user_by_username"
	stageBcrypt  = "bcrypt_verify"
	stageStore   = "store_user_account"
)

// Outcomes of a login, label values.
const (
	outcomeProven    = "password"  // bcrypt said yes
	outcomeCached    = "cached"    // the verified-login cache did
	outcomeWrong     = "wrong"     // unknown user or wrong password
	outcomeStatus    = "status"    // right password, account may not act
	outcomeThrottled = "throttled" // refused before looking
	outcomeFailed    = "failed"    // server fault, busy or client gone
)

type metrics struct {
	stages    *prometheus.HistogramVec
	logins    *prometheus.CounterVec
	usageLost prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, pool *password.Pool) (*metrics, error) {
	m := &metrics{
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "defarm_login_stage_seconds",
			Help:    "Duration of the stages of a login.",
			Buckets: []float64{.0001, .001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"stage"}),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "defarm_logins_total",
			Help: "Logins by outcome.",
		}, []string{"outcome"}),
		usageLost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "defarm_api_key_uses_uncounted_total",
			Help: "Uses of API keys that usage_count misses, because too many keys were in use at once.",
		}),
	}
	if reg == nil {
		return m, nil
	}
	queued := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "defarm_password_queue_depth",
		Help: "Passwords that wait for a bcrypt worker.",
	}, func() float64 { return float64(pool.Queued()) })
	for _, c := range []prometheus.Collector{m.stages, m.logins, m.usageLost, queued} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register identity metrics: %w", err)
		}
	}
	return m, nil
}

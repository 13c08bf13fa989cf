package loadtest

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/defarm-repo/defarm/web/client"
)

// account can log in.
type account struct{ username, password string }

// stage is what the clients act on, made through the API before the test.
type stage struct {
	credential client.Credential
	caller     *client.Client // with the credential
	nobody     *client.Client // without one, for logins
	login      account
	users      []account // for unique logins
	circuit    string
	dfids      []string
	// serial numbers the identifiers that the test gives away; it starts
	// somewhere at random, so that two tests do not meet.
	serial atomic.Uint64
	run    string // what the names of this test's users and circuit end in
}

// setup makes everything that the scenario needs.
func setup(ctx context.Context, c *Config, nobody *client.Client) (*stage, error) {
	var seed [8]byte
	if _, err := crand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("random numbers: %w", err)
	}
	s := &stage{nobody: nobody, run: fmt.Sprintf("%x", seed[:6])}
	s.serial.Store(binary.BigEndian.Uint64(seed[:]) % 1_000_000_000_000)
	if err := s.identify(ctx, c); err != nil {
		return nil, err
	}
	if c.Unique {
		c.logf("registering %d users, one password hash each\n", c.Users)
		if err := s.registerUsers(ctx, c); err != nil {
			return nil, err
		}
	}
	if c.needsCircuit() {
		if err := s.createCircuit(ctx); err != nil {
			return nil, err
		}
		c.logf("created circuit %s\n", s.circuit)
	}
	if c.needsItems() {
		if err := s.pushItems(ctx, c); err != nil {
			return nil, err
		}
		c.logf("pushed %d items to read\n", len(s.dfids))
	}
	return s, nil
}

// identify gets the credential, and a user who can log in if one is needed.
func (s *stage) identify(ctx context.Context, c *Config) error {
	cred := c.Credential
	if c.Username != "" {
		s.login = account{c.Username, c.Password}
		token, err := s.token(ctx, "/api/auth/login", map[string]string{"username": c.Username, "password": c.Password})
		if err != nil {
			return err
		}
		cred = client.Credential{Token: token}
	}
	needsAccount := c.needsLogin() && c.Username == ""
	needsCaller := cred.IsZero() && (c.Scenario != ScenarioLogin || c.needsItems())
	if needsAccount || needsCaller {
		user := account{"loadtest-" + s.run, "Load-test-1-" + s.run}
		token, err := s.register(ctx, user)
		if err != nil {
			return err
		}
		c.logf("registered the throw-away user %s\n", user.username)
		s.login = user
		if cred.IsZero() {
			cred = client.Credential{Token: token}
		}
	}
	s.credential = cred
	s.caller = s.nobody.WithCredential(cred)
	return nil
}

// token calls login or register.
func (s *stage) token(ctx context.Context, path string, body map[string]string) (string, error) {
	var out struct {
		Token string `json:"token"`
	}
	if err := s.nobody.Call(ctx, http.MethodPost, path, body, &out); err != nil {
		return "", err
	}
	if out.Token == "" {
		return "", fmt.Errorf("%s answered without a token", path)
	}
	return out.Token, nil
}

func (s *stage) register(ctx context.Context, a account) (string, error) {
	return s.token(ctx, "/api/auth/register", map[string]string{
		"username": a.username, "password": a.password, "email": a.username + "@loadtest.invalid",
	})
}

func (s *stage) registerUsers(ctx context.Context, c *Config) error {
	s.users = make([]account, c.Users)
	return inParallel(ctx, c.Users, min(c.Clients, 8), func(ctx context.Context, i int) error {
		s.users[i] = account{fmt.Sprintf("loadtest-%s-%d", s.run, i), "Load-test-1-" + s.run}
		_, err := s.register(ctx, s.users[i])
		return err
	})
}

func (s *stage) createCircuit(ctx context.Context) error {
	var out struct {
		ID string `json:"circuit_id"`
	}
	in := map[string]string{"name": "Load test " + s.run, "description": "Made by defarm loadtest"}
	if err := s.caller.Call(ctx, http.MethodPost, "/api/circuits", in, &out); err != nil {
		return err
	}
	if out.ID == "" {
		return errors.New("/api/circuits answered without a circuit_id")
	}
	s.circuit = out.ID
	return nil
}

func (s *stage) pushItems(ctx context.Context, c *Config) error {
	s.dfids = make([]string, c.Items)
	return inParallel(ctx, c.Items, min(c.Clients, 8), func(ctx context.Context, i int) error {
		var local, pushed struct {
			Data struct {
				LocalID string `json:"local_id"`
				DFID    string `json:"dfid"`
			} `json:"data"`
		}
		if err := s.caller.Call(ctx, http.MethodPost, "/api/items/local", json.RawMessage(s.itemBody()), &local); err != nil {
			return err
		}
		in := map[string]string{"local_id": local.Data.LocalID}
		if err := s.caller.Call(ctx, http.MethodPost, s.pushPath(), in, &pushed); err != nil {
			return err
		}
		if pushed.Data.DFID == "" {
			return errors.New("push-local answered without a dfid")
		}
		s.dfids[i] = pushed.Data.DFID
		return nil
	})
}

func (s *stage) pushPath() string { return "/api/circuits/" + s.circuit + "/push-local" }

// itemBody is a new animal, as a herd file would bring it.
func (s *stage) itemBody() []byte {
	n := s.serial.Add(1) % 1_000_000_000_000
	return fmt.Appendf(nil, `{"identifiers":[{"namespace":"bovino","key":"sisbov","value":"BR%012d","id_type":"Canonical"},`+
		`{"namespace":"bovino","key":"ear_tag","value":"L-%d","id_type":"Contextual","scope":"user"}],`+
		`"enriched_data":{"breed":"Nelore","sex":"F","birth_date":"2022-09-14","weight_kg":%d.5,"name":"Açucena"}}`,
		n, n%10_000, 300+n%300)
}

// inParallel calls f for 0 … n-1 from a number of workers. The first error
// ends it.
func inParallel(parent context.Context, n, workers int, f func(ctx context.Context, i int) error) error {
	ctx, stop := context.WithCancelCause(parent)
	defer stop(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if err := f(ctx, int(i)); err != nil {
					stop(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	return nil
}

package binarytest

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/crypto/bcrypt"

	"github.com/defarm-repo/defarm/web/client"
)

// benchClients is how many clients send at the same time.
const benchClients = 32

// BenchmarkServer measures the program over HTTP, with its default settings
// (synchronous=FULL, bcrypt cost 12) but for the rate limit, beside what the driver and bcrypt do by
// themselves in the same run:
//
//	go test -run - -bench Server ./web/binarytest
//
// Compare the figures of one run with each other, not those of two runs: what
// a machine gives differs from one minute to the next. "req/s" and "p99-ms" are
// of answered requests; any other status than 200 fails the benchmark.
func BenchmarkServer(b *testing.B) {
	b.Run("raw/insert one a commit", func(b *testing.B) { rawInserts(b, 1) })
	b.Run("raw/insert 64 a commit", func(b *testing.B) { rawInserts(b, 64) })
	b.Run("raw/read by key", rawReads)
	b.Run("raw/bcrypt cost 12", rawBcrypt)

	// One account sends everything: its limit is not what is measured.
	p := serve(b, []string{"DEFARM_AUTH_BCRYPT_COST=12", "DEFARM_LIMITS_USER_PER_MINUTE=0"}, "--data-dir", b.TempDir()+"/data")
	f := newFarm(b, p.ready.URL)
	dfids := benchHerd(b, p.ready.URL, f, 2000)
	var serial atomic.Int64
	serial.Store(1_000_000)

	b.Run("create local", func(b *testing.B) {
		clients(b, p.ready.URL, f.token, func(c *client.Client) *client.Reply {
			return send(b, c, http.MethodPost, "/api/items/local", benchAnimal(serial.Add(1)))
		})
	})
	b.Run("push local", func(b *testing.B) {
		// Offline ids: each push is the whole tokenization of a new animal.
		clients(b, p.ready.URL, f.token, func(c *client.Client) *client.Reply {
			n := serial.Add(1)
			body := fmt.Sprintf(`{"local_id":"00000000-0000-4000-8000-%012d",%s`, n, benchAnimal(n)[1:])
			return send(b, c, http.MethodPost, "/api/circuits/"+f.circuit+"/push-local", body)
		})
	})
	b.Run("read by DFID", func(b *testing.B) {
		var next atomic.Int64
		clients(b, p.ready.URL, f.token, func(c *client.Client) *client.Reply {
			return send(b, c, http.MethodGet, "/api/items/"+dfids[next.Add(1)%int64(len(dfids))], "")
		})
	})
	b.Run("list 50", func(b *testing.B) {
		clients(b, p.ready.URL, f.token, func(c *client.Client) *client.Reply {
			return send(b, c, http.MethodGet, "/api/items?limit=50", "")
		})
	})
	b.Run("login again", func(b *testing.B) {
		clients(b, p.ready.URL, "", func(c *client.Client) *client.Reply {
			return send(b, c, http.MethodPost, "/api/auth/login", `{"username":"farm","password":"Secret-123"}`)
		})
	})
	b.Run("login first time", func(b *testing.B) { firstLogins(b) })
}

// clients runs one request after the other from benchClients clients and
// reports their rate and the 99th percentile of their times.
func clients(b *testing.B, url, token string, request func(*client.Client) *client.Reply) {
	b.Helper()
	b.SetParallelism(max(1, benchClients/runtime.GOMAXPROCS(0)))
	times := make(chan *hdrhistogram.Histogram, 1024)
	c := newClient(b, url, token)
	b.ResetTimer()
	start := time.Now()
	b.RunParallel(func(pb *testing.PB) {
		h := hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 3)
		for pb.Next() {
			at := time.Now()
			if request(c) == nil {
				break
			}
			// Longer than a minute is over patience anyway.
			_ = h.RecordValue(time.Since(at).Microseconds())
		}
		times <- h
	})
	took := time.Since(start)
	close(times)
	all := hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 3)
	for h := range times {
		all.Merge(h)
	}
	b.ReportMetric(float64(b.N)/took.Seconds(), "req/s")
	b.ReportMetric(float64(all.ValueAtQuantile(99))/1000, "p99-ms")
}

// send wants 200; it fails the benchmark and gives nil otherwise.
func send(b *testing.B, c *client.Client, method, path, body string) *client.Reply {
	var raw []byte
	if body != "" {
		raw = []byte(body)
	}
	reply, err := c.Send(context.Background(), method, path, raw)
	if err != nil {
		b.Errorf("%s %s: %v", method, path, err)
		return nil
	}
	if reply.Status != http.StatusOK {
		b.Errorf("%s %s: status %d: %s", method, path, reply.Status, reply.Body)
		return nil
	}
	return reply
}

func benchAnimal(n int64) string {
	return fmt.Sprintf(`{"identifiers":[{"namespace":"bovino","key":"sisbov","value":"BR%012d","id_type":"Canonical"}],`+
		`"enriched_data":{"breed":"Nelore","sex":"F","birth_date":"2022-09-14","weight_kg":312.5}}`, n)
}

// benchHerd pushes n animals and gives their DFIDs.
func benchHerd(b *testing.B, url string, f farm, n int64) []string {
	b.Helper()
	c := newClient(b, url, f.token)
	dfids := make([]string, 0, n)
	for i := range n {
		body := fmt.Sprintf(`{"local_id":"00000000-0000-4000-8000-%012d",%s`, i, benchAnimal(i)[1:])
		var out pushed
		mustCall(b, c, http.MethodPost, "/api/circuits/"+f.circuit+"/push-local", body, &out)
		dfids = append(dfids, out.Data.DFID)
	}
	return dfids
}

// firstLogins logs users in who were never logged in: the cache of verified
// logins is off, so that each login pays for bcrypt.
func firstLogins(b *testing.B) {
	p := serve(b, []string{"DEFARM_AUTH_BCRYPT_COST=12", "DEFARM_AUTH_VERIFIED_LOGIN_TTL=0"}, "--data-dir", b.TempDir()+"/data")
	newFarm(b, p.ready.URL)
	clients(b, p.ready.URL, "", func(c *client.Client) *client.Reply {
		return send(b, c, http.MethodPost, "/api/auth/login", `{"username":"farm","password":"Secret-123"}`)
	})
	p.kill()
}

func rawDatabase(b *testing.B) *sql.DB {
	b.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "raw.db")+"?_journal_mode=WAL&_synchronous=FULL")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() }) // a file of the test's own
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(b.Context(), "CREATE TABLE raw (row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, data TEXT NOT NULL)"); err != nil {
		b.Fatal(err)
	}
	return db
}

const rawInsert = "INSERT INTO raw (id, data) VALUES (?, ?)"

// rawInserts is one row with one unique text key, so many to a commit.
func rawInserts(b *testing.B, batch int) {
	ctx := context.Background()
	db := rawDatabase(b)
	st, err := db.PrepareContext(ctx, rawInsert)
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	data := benchAnimal(1)
	b.ResetTimer()
	for i := 0; i < b.N; {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			b.Fatal(err)
		}
		insert := tx.StmtContext(ctx, st) //nolint:sqlclosecheck // ends with its transaction
		for range min(batch, b.N-i) {
			if _, err := insert.ExecContext(ctx, fmt.Sprintf("LID-%012d", i), data); err != nil {
				b.Fatal(err)
			}
			i++
		}
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func rawReads(b *testing.B) {
	ctx := context.Background()
	db := rawDatabase(b)
	const rows = 2000
	for i := range rows {
		if _, err := db.ExecContext(ctx, rawInsert, fmt.Sprintf("LID-%012d", i), benchAnimal(int64(i))); err != nil {
			b.Fatal(err)
		}
	}
	st, err := db.PrepareContext(ctx, "SELECT data FROM raw WHERE id = ?")
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	b.ResetTimer()
	for i := range b.N {
		var data string
		if err := st.QueryRowContext(ctx, fmt.Sprintf("LID-%012d", i%rows)).Scan(&data); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// rawBcrypt compares on all cores at once, as the server's workers do.
func rawBcrypt(b *testing.B) {
	hash, err := bcrypt.GenerateFromPassword([]byte("Secret-123"), 12)
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := bcrypt.CompareHashAndPassword(hash, []byte("Secret-123")); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "compares/s")
}

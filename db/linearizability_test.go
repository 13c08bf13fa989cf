package db

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/defarm-repo/defarm/app"
)

// registerOp is one operation on one account's balance or one item's count of
// events: a write of value, or a read that gave it.
type registerOp struct {
	key   string
	write bool
	value int64
}

// registers are independent registers that start at 0.
func registers() porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			byKey := map[string][]porcupine.Operation{}
			for _, op := range history {
				key := op.Input.(registerOp).key
				byKey[key] = append(byKey[key], op)
			}
			out := make([][]porcupine.Operation, 0, len(byKey))
			for _, ops := range byKey {
				out = append(out, ops)
			}
			return out
		},
		Init: func() any { return int64(0) },
		Step: func(state, input, output any) (bool, any) {
			in := input.(registerOp)
			if in.write {
				return true, in.value
			}
			return output.(int64) == state.(int64), state
		},
		DescribeOperation: func(input, output any) string {
			in := input.(registerOp)
			if in.write {
				return fmt.Sprintf("%s = %d", in.key, in.value)
			}
			return fmt.Sprintf("%s is %v", in.key, output)
		},
	}
}

// Reads through the cache and writes through the queue are linearizable: some
// order of the operations, each at one moment between its call and its answer,
// explains everything that was answered (design §5).
func TestLinearizable(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*Options){
		"cache on":    func(*Options) {},
		"cache off":   cacheOff,
		"small cache": func(o *Options) { o.Cache.Bytes = mebibyte },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := engineDB(t, edit, func(o *Options) { o.Readers, o.ReadWait, o.Writer.MaxWait = 4, patience, patience })
			mustWrite(t, d, func(tx app.Tx) error {
				return errors.Join(put(tx, "a"), put(tx, "b"), tx.Items().Insert(tracedItem("u", 1)), tx.Items().Insert(tracedItem("u", 2)))
			})
			history := record(t, d, []registerKey{userKey("a"), userKey("b"), itemKey(1), itemKey(2)})
			if got := porcupine.CheckOperationsTimeout(registers(), history, patience); got != porcupine.Ok {
				t.Errorf("%d operations: got %s, want that they are linearizable", len(history), got)
			}
		})
	}
}

// registerKey is one register and how it is read and written.
type registerKey struct {
	name  string
	read  func(ctx context.Context, d *DB, rnd *rand.Rand) (int64, error)
	write func(tx app.Tx, value int64) error
}

func userKey(id string) registerKey {
	return registerKey{
		name: "user " + id,
		read: func(ctx context.Context, d *DB, _ *rand.Rand) (int64, error) {
			u, err := d.User(ctx, id)
			if err != nil {
				return 0, err
			}
			return u.Credits, nil
		},
		write: func(tx app.Tx, value int64) error { return rename(tx, id, value) },
	}
}

// itemKey is read by DFID or by row number, as it comes.
func itemKey(n int) registerKey {
	dfid := tracedItem("u", n).DFID
	return registerKey{
		name: "item " + dfid,
		read: func(ctx context.Context, d *DB, rnd *rand.Rand) (int64, error) {
			if rnd.IntN(2) == 0 {
				it, err := d.Item(ctx, dfid)
				if err != nil {
					return 0, err
				}
				return it.EventCount, nil
			}
			list, err := d.Items(ctx, []int64{int64(n)}) // they were inserted in that order
			if err != nil || len(list) != 1 || list[0].DFID != dfid {
				return 0, fmt.Errorf("row %d: got %v (%w), want %s", n, list, err, dfid)
			}
			return list[0].EventCount, nil
		},
		write: func(tx app.Tx, value int64) error {
			old, err := tx.Items().ByDFID(dfid)
			if err != nil {
				return err
			}
			it := tracedItem("u", n)
			it.EventCount = value
			return tx.Items().Update(old, it)
		},
	}
}

// record runs clients that read and write the keys at random, and gives what
// they called and were answered.
func record(t *testing.T, d *DB, keys []registerKey) []porcupine.Operation {
	t.Helper()
	const clients, each = 8, 150
	start := time.Now()
	var value atomic.Int64
	histories := make([][]porcupine.Operation, clients)
	var all sync.WaitGroup
	for id := range clients {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(id)))
			for range each {
				key := keys[rng.IntN(len(keys))]
				op := registerOp{key: key.name, write: rng.IntN(3) == 0}
				var seen int64
				var err error
				call := time.Since(start)
				if op.write {
					op.value = value.Add(1)
					err = d.Write(context.Background(), func(tx app.Tx) error { return key.write(tx, op.value) })
				} else {
					seen, err = key.read(context.Background(), d, rng)
				}
				if err != nil {
					t.Errorf("client %d, %s: %v", id, key.name, err)
					return
				}
				histories[id] = append(histories[id], porcupine.Operation{
					ClientId: id, Input: op, Call: int64(call), Output: seen, Return: int64(time.Since(start)),
				})
			}
		})
	}
	all.Wait()
	var history []porcupine.Operation
	for _, h := range histories {
		history = append(history, h...)
	}
	return history
}

// The checker does find what is not linearizable: a read of an old value after
// a newer one was answered.
func TestLinearizabilityIsChecked(t *testing.T) {
	t.Parallel()
	op := func(write bool, value, call, ret int64) porcupine.Operation {
		return porcupine.Operation{ClientId: int(call), Input: registerOp{"a", write, value}, Output: value, Call: call, Return: ret}
	}
	stale := []porcupine.Operation{op(true, 1, 0, 1), op(true, 2, 2, 3), op(false, 1, 4, 5)}
	if porcupine.CheckOperations(registers(), stale) {
		t.Error("a stale read passes for linearizable: " + strconv.Itoa(len(stale)))
	}
	if fresh := append(stale[:2:2], op(false, 2, 4, 5)); !porcupine.CheckOperations(registers(), fresh) {
		t.Error("a read of the last value does not")
	}
}

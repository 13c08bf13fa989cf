package api

import (
	"context"
	"fmt"
	"testing"
)

func queryRoutes(r *registrar) {
	get(r, "/t/list", scopePublic, func(_ context.Context, in *struct {
		PageQuery
		Status string       `query:"status" enum:"open,closed"`
		All    bool         `query:"all"`
		More   optionalBool `query:"more"`
		Days   uint8        `query:"days" maximum:"200"`
	}) (*reply[string], error) {
		p := in.page()
		if in.More.set {
			return respond(fmt.Sprint("more ", in.More.or(!in.More.Value)), nil)
		}
		return respond(fmt.Sprintf("%d %d %q %t %d", p.Limit, p.Offset, in.Status, in.All, in.Days), nil)
	}, summary("Test"))
	get(r, "/t/days/{n}", scopePublic, func(_ context.Context, in *struct {
		N int `path:"n"`
	}) (*reply[int], error) {
		return respond(in.N, nil)
	}, summary("Test"))
}

func TestQuery(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{}, queryRoutes)
	tests := []struct {
		path string
		want int
		said string
	}{
		{"/t/list", 200, `"1000 0 \"\" false 0"`},
		{"/t/list?limit=5&offset=7&status=open&all=true&days=3", 200, `"5 7 \"open\" true 3"`},
		{"/t/list?more=true", 200, `"more true"`},
		{"/t/list?more=false", 200, `"more false"`},
		{"/t/list?more=1", 400, prefixQuery + "more: provided string was not `true` or `false`"},
		{"/t/list?more=", 400, prefixQuery + "more: provided string was not `true` or `false`"},
		{"/t/list?more=true&more=true", 400, prefixQuery + "duplicate field `more`"},
		{"/t/list?limit=0", 200, `"0 0 \"\" false 0"`},
		{"/t/list?limit=10000", 200, `"10000 0 \"\" false 0"`},
		{"/t/list?limit=10001", 200, `"10000 0 \"\" false 0"`},
		{"/t/list?status=", 200, `"1000 0 \"\" false 0"`},
		{"/t/list?unknown=%zz&x&&=&other=1&other=2", 200, `"1000 0 \"\" false 0"`},
		{"/t/list?st%61tus=clos%65d", 200, `"1000 0 \"closed\" false 0"`},
		{"/t/list?limit=", 400, prefixQuery + "limit: cannot parse integer from empty string"},
		{"/t/list?limit", 400, prefixQuery + "limit: cannot parse integer from empty string"},
		{"/t/list?limit=abc", 400, prefixQuery + "limit: invalid integer"},
		{"/t/list?limit=-1", 400, prefixQuery + "limit: expected number >= 0"},
		{"/t/list?limit=1.5", 400, prefixQuery + "limit: invalid integer"},
		{"/t/list?limit=99999999999999999999", 400, prefixQuery + "limit: invalid integer"},
		{"/t/list?limit=1&limit=1", 400, prefixQuery + "duplicate field `limit`"},
		{"/t/list?limit=%zz", 400, prefixQuery + "limit: malformed escape"},
		{"/t/list?status=%ff", 400, prefixQuery + "status: malformed escape"},
		{"/t/list?status=Open", 400, prefixQuery + "status: expected value to be one of"},
		{"/t/list?all=1", 400, prefixQuery + "all: provided string was not `true` or `false`"},
		{"/t/list?all=", 400, prefixQuery + "all: provided string was not `true` or `false`"},
		{"/t/list?days=300", 400, prefixQuery + "days: expected number <= 200"},
		{"/t/days/4", 200, "4"},
		{"/t/days/four", 400, prefixURL + "`n`: invalid integer"},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			t.Parallel()
			got := e.do(t, "GET", tt.path, "", nil)
			if tt.want == 200 {
				got.want(t, 200, tt.said)
				return
			}
			got.wantError(t, tt.want, tt.said)
		})
	}
}

package items

import (
	"slices"
	"testing"

	"github.com/defarm-repo/defarm/app"
)

func groupsOf(sizes ...int) (out []*nameGroup) {
	for _, n := range sizes {
		out = append(out, &nameGroup{names: make([]app.LocalName, n)})
	}
	return out
}

func TestCutGroups(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sizes []int
		most  int
		want  []int
	}{
		{nil, 10, nil},
		{[]int{2, 3}, 10, []int{2, 3}},
		{[]int{2, 3}, 5, []int{2, 3}},
		{[]int{2, 3}, 4, []int{2, 2}},
		{[]int{2, 3, 2}, 3, []int{2}}, // one item is no group
		{[]int{9, 2}, 4, []int{4}},
		{[]int{2}, 1, nil},
	} {
		var got []int
		for _, g := range cutGroups(groupsOf(tt.sizes...), tt.most) {
			got = append(got, len(g.names))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%v cut to %d: got %v, want %v", tt.sizes, tt.most, got, tt.want)
		}
	}
}

func TestFirstJob(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		groups []*nameGroup
		want   int
	}{
		{"one large group", groupsOf(1001, 2), 1},
		{"as many items as fit", groupsOf(200, 300, 2), 2},
		{"one item too many", groupsOf(200, 301), 1},
		{"as many groups as fit", groupsOf(slices.Repeat([]int{2}, 40)...), 32},
		{"the last ones", groupsOf(2, 2), 2},
	} {
		if got := firstJob(tt.groups); got != tt.want {
			t.Errorf("%s: got %d groups, want %d", tt.name, got, tt.want)
		}
	}
}

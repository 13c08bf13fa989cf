package api

import "github.com/defarm-repo/defarm/app"

// pageCap is the most rows one answer holds, whatever limit asks for.
const pageCap = 10_000

// PageQuery is embedded in the input of every list. A bad value is answered
// with 400 before the handler runs; a limit above the cap means the cap. Its
// name is exported because huma passes over embedded structs whose name is not.
type PageQuery struct {
	Limit  int `query:"limit" default:"1000" minimum:"0" doc:"Most rows to return; 10,000 at most whatever is asked."`
	Offset int `query:"offset" default:"0" minimum:"0" doc:"Rows to skip."`
}

// page converts to the domain's bounds.
func (q PageQuery) page() app.Page {
	return app.Page{Limit: min(q.Limit, pageCap), Offset: q.Offset}
}

package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/clewhq/clew/internal/wait"
)

// DeletionOptions are what Delete wants beside the query.
type DeletionOptions struct {
	Signal string // logs or traces
	Wait   bool   // until no file has the records any more
	Broad  bool   // also where the query may select nearly everything
}

// deletion is a request to delete as the server shows it.
type deletion struct {
	ID, Signal, Query, From, To, Created, Status, Done, Error string
	Records                                                   int64
}

const deletionPath = "/api/v1/delete"

// deletionPoll is how often it is looked whether a deletion is done.
const deletionPoll = 500 * time.Millisecond

// Delete asks the server to delete what a query selects.
func (c *Client) Delete(ctx context.Context, query string, o DeletionOptions) error {
	q := url.Values{"signal": {o.Signal}, "query": {query}}
	if o.Broad {
		q.Set("broad", "true")
	}
	c.rangeParams(q)
	body, err := c.do(ctx, http.MethodPost, deletionPath, q)
	if err != nil {
		return err
	}
	var d deletion
	if err := json.Unmarshal(body, &d); err != nil {
		return failedf("the answer of %s is not what this command understands: %w; is it a clew server?", c.base, err)
	}
	if o.Wait {
		if d, err = c.awaitDeletion(ctx, d); err != nil {
			return err
		}
	}
	if c.json() {
		return c.printJSON(body)
	}
	c.printDeletions([]deletion{d})
	return nil
}

func (c *Client) awaitDeletion(ctx context.Context, d deletion) (deletion, error) {
	for {
		list, _, err := c.deletions(ctx)
		if err != nil {
			return d, err
		}
		for _, x := range list {
			if x.ID == d.ID {
				d = x
			}
		}
		switch {
		case d.Done != "":
			return d, nil
		case d.Error != "":
			return d, failedf("deletion %s did not get through, the server will try again: %s", d.ID, d.Error)
		}
		if wait.For(ctx, deletionPoll) != nil {
			return d, failedf("interrupted; deletion %s goes on", d.ID)
		}
	}
}

func (c *Client) deletions(ctx context.Context) ([]deletion, bool, error) {
	var answer struct{ Deletions []deletion }
	printed, err := c.getJSON(ctx, deletionPath, nil, &answer)
	return answer.Deletions, printed, err
}

// Deletions lists the deletions that wait, and the last ones that are done.
func (c *Client) Deletions(ctx context.Context) error {
	list, printed, err := c.deletions(ctx)
	if err != nil || printed {
		return err
	}
	if len(list) == 0 {
		return notFoundf("there are no deletions")
	}
	c.printDeletions(list)
	return nil
}

func (c *Client) printDeletions(list []deletion) {
	rows := [][]string{{"ID", "SIGNAL", "STATUS", "RECORDS", "CREATED", "QUERY"}}
	for _, d := range list {
		rows = append(rows, []string{d.ID, d.Signal, d.Status, fmt.Sprint(d.Records), d.Created, clean(d.Query)})
	}
	c.table(rows, 3)
	for _, d := range list {
		if d.Error != "" {
			c.printf("%s: %s\n", d.ID, clean(d.Error))
		}
	}
}

// CancelDeletion cancels a deletion that is not done.
func (c *Client) CancelDeletion(ctx context.Context, id string) error {
	_, err := c.do(ctx, http.MethodDelete, deletionPath+"/"+escaped(id), nil)
	return err
}

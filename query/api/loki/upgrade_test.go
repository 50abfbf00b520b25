package loki

import (
	"net/http"

	"github.com/gorilla/websocket"
)

// upgradeTo hands every connection's server end to conns.
func upgradeTo(conns chan<- *websocket.Conn) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		up := websocket.Upgrader{}
		conn, err := up.Upgrade(w, r, nil)
		if err == nil {
			conns <- conn
		}
	}
}

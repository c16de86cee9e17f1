#!/bin/sh
# Started by Elk Audio OS (its service user-autostart) when the board is up. Which configuration is
# played, and with which block size: see start.sh.
exec /udata/tocco/start.sh mono

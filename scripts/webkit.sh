#!/usr/bin/env bash
# Prints the path of WebKitGTK's driver, if it and what it needs are installed: a virtual screen and a window manager. Prints
# nothing otherwise.
command -v Xvfb openbox >/dev/null && command -v WebKitWebDriver || true

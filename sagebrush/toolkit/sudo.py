"""The stand-in for `sudo` in jobs and notebooks: it runs its command with the rights that are there.

It understands sudo's options well enough to find the command; `sudo VAR=x …` sets the variable.
"""

from __future__ import annotations

SUDO = """#!/bin/bash
# There is one user here, who gets no more rights: scripts that say `sudo -u ec2-user …` run as that user.
login= only= background=
while [ $# -gt 0 ]; do
  case "$1" in
    --) shift; break ;;
    --login) login=1; shift ;;
    --background) background=1; shift ;;
    --validate|--list|--version|--help) exit 0 ;;
    --reset-timestamp|--remove-timestamp) only=1; shift ;;
    --user|--group|--other-user|--prompt|--role|--type|--close-from|--command-timeout|--host)
      shift; shift ;;
    --chdir|--chroot) shift; shift ;;
    --*) shift ;;
    -?*)
      letters="${1#-}"; shift
      while [ -n "$letters" ]; do
        rest="${letters#?}"
        case "$letters" in
          [ugUprtCDRT]*) [ -n "$rest" ] || shift; break ;;  # the rest is its value, or the next word
          i*) login=1 ;;
          b*) background=1 ;;
          [vlVh]*) exit 0 ;;
          [kK]*) only=1 ;;
        esac
        letters="$rest"
      done ;;
    [A-Za-z_]*=*) export "$1"; shift ;;
    *) break ;;
  esac
done
if [ -n "$only" ] && [ $# -eq 0 ]; then exit 0; fi
if [ -n "$login" ]; then
  cd "$HOME" || exit 1
  if [ $# -eq 0 ]; then set -- bash -l; else set -- bash -lc 'exec "$0" "$@"' "$@"; fi
fi
if [ $# -eq 0 ]; then set -- bash; fi
if [ -n "$background" ]; then
  exec 3<&0
  "$@" <&3 &
  exit 0
fi
exec "$@"
"""

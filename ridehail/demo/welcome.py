"""The text that the demo prints: addresses, log-ins, and snippets for the browser's console."""

from typing import Final

from rest_framework_simplejwt.settings import api_settings

from accounts.tokens import access_token_for
from ridehail.demo.accounts import PASSWORD, DemoAccounts

WATCH: Final = """\
const watcher = new WebSocket("ws://localhost:{port}/driver/get-tracking?userId={driver_id}");
watcher.onopen = () => watcher.send(JSON.stringify({{
  type: "authenticate",
  payload: {{ token: "{token}", command: "start" }},
}}));
watcher.onmessage = (event) => console.log("watching", JSON.parse(event.data));"""

SEND: Final = """\
const driver = new WebSocket("ws://localhost:{port}/driver/set-tracking?userId={driver_id}");
driver.onopen = () => {{
  const send = () => driver.send(JSON.stringify({{
    type: "authenticate",
    payload: {{
      token: "{token}",
      command: "send", lat: "-1.4354", lon: "0.9871",
    }},
  }}));
  send();
  setInterval(send, 5000);
}};
driver.onmessage = (event) => console.log("acknowledged", JSON.parse(event.data));"""


def welcome(accounts: DemoAccounts, port: int, log: str, routing: str, *, idle_driver: bool) -> str:
    """Return the text for a demo on `port`, with new access tokens of the rider and the driver.

    `routing` says where the times of arrival come from.
    """
    rider, driver = accounts.rider, accounts.driver
    rider_token, driver_token = access_token_for(rider), access_token_for(driver)
    minutes = api_settings.ACCESS_TOKEN_LIFETIME.total_seconds() / 60
    logins = "\n".join(
        f"  {user.email:<26} {what}"
        for user, what in (
            (accounts.admin, "superuser"),
            (accounts.dispatcher, "dispatcher: sees all drivers and trips in the admin"),
            (rider, f"rider {rider.pk}, {rider.name}"),
            (driver, f"driver {driver.pk}, {driver.name}"),
        )
    )
    moves = (
        f"Driver {driver.pk} doesn't move until you send."
        if idle_driver
        else f"The simulator moves driver {driver.pk} too, so the dot jumps between its location "
        "and yours.\nTo move the driver alone, run: manage.py demo --idle-driver"
    )
    return f"""
The demo is running with {accounts.driver_count} drivers. Press Ctrl-C to stop it.
Riders ask for rides, and dispatch gives each to the nearest free car. To see more, run:
manage.py demo --speed 10
A few drivers will lose their GPS signal or end their shift, and show as stale or offline.
Rider {rider.pk} is on a trip with driver {driver.pk}, which goes on while the demo runs.
{routing}

  http://localhost:{port}/
  http://localhost:{port}/admin/
  server log: {log}

LOG IN, the password of every account is: {PASSWORD}

{logins}

TOKENS, valid for {minutes:.0f} minutes

  rider {rider.pk}:
{rider_token}

  driver {driver.pk}:
{driver_token}

WATCH driver {driver.pk} as rider {rider.pk}: paste this into the browser's console on a page above

{WATCH.format(port=port, driver_id=driver.pk, token=rider_token)}

SEND as driver {driver.pk}: paste this into the console of a second tab
{moves}

{SEND.format(port=port, driver_id=driver.pk, token=driver_token)}
"""

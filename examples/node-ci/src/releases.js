import ms from "ms";
import semver from "semver";

/** The newest of `releases` that `range` allows and that is at least `age` old at `now`. */
export function newest(releases, { range, age, now }) {
  const old = releases.filter(({ date }) => now - Date.parse(date) >= ms(age));
  return semver.maxSatisfying(
    old.map(({ version }) => version),
    range,
  );
}

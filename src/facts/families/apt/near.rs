//! Names of packages that are spelled almost like those that apt does not know.

/// Prints `near NAME CANDIDATE` for each name that `$said` says is unknown, if `$code` is a failure; `apt_cache` is the start of a
/// command line. There are tens of thousands of names, so they are compared on the host.
pub(super) fn script(apt_cache: &str) -> String {
    format!(
        "case $code$said in 0*) ;; *\"E: Unable to locate package \"*)\n\
         {apt_cache}pkgnames 2>/dev/null | wanted=$(printf \"%s\\n\" \"$said\" | sed -n \"s/^E: Unable to locate package //p\") awk '{SCRIPT}' ;; esac\n"
    )
}

/// Without single quotes. Compares the names in `$wanted` with those that it reads. A slip is a letter too many, too few, a wrong one, or two that are swapped: one of them is allowed in a short
/// name, two in a longer one. Prints at most three names, those with the fewest slips.
pub(in crate::facts::families) const SCRIPT: &str = r#"function slips(a,b,most, x,y,i,j,v,least){x=length(a);y=length(b)
for(j=0;j<=y;j++)d[0,j]=j
for(i=1;i<=x;i++){least=d[i,0]=i
for(j=1;j<=y;j++){v=d[i-1,j-1]+(substr(a,i,1)!=substr(b,j,1))
if(d[i-1,j]<v)v=d[i-1,j]+1
if(d[i,j-1]<v)v=d[i,j-1]+1
if(i>1&&j>1&&substr(a,i-1,2)==substr(b,j,1)substr(b,j-1,1)&&d[i-2,j-2]<v)v=d[i-2,j-2]+1
d[i,j]=v;if(v<least)least=v}
if(least>most)return most+1}
return d[x,y]}
BEGIN{n=split(ENVIRON["wanted"],w,"\n")
for(i=1;i<=n;i++){l[i]=length(w[i]);m[i]=1+(l[i]>5);s[i]=substr(w[i],1,1);e[i]=substr(w[i],l[i]-1)}}
{for(k=1;k<=n;k++){o=length($1)-l[k]
if(o<=m[k]&&-o<=m[k]&&(substr($1,1,1)==s[k]||substr($1,length($1)-1)==e[k])){
v=slips(w[k],$1,m[k]);if(v<=m[k]&&c[k,v]<3)f[k,v,++c[k,v]]=$1}}}
END{for(k=1;k<=n;k++){t=0;for(v=1;v<=m[k];v++)for(i=1;i<=c[k,v]&&t<3;i++){t++;print"near",w[k],f[k,v,i]}}}"#;

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn near(unknown: &[&str], known: &[&str]) -> Vec<String> {
        let said: Vec<String> = unknown
            .iter()
            .map(|name| format!("E: Unable to locate package {name}"))
            .collect();
        let output = Command::new("sh")
            .arg("-c")
            .arg(format!("names() {{ printf '%s\\n' $known; }}\n{}", script("names ")))
            .env("known", known.join(" "))
            .env("said", said.join("\n"))
            .env("code", "100")
            .output()
            .expect("sh runs");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn names_with_a_slip_or_two_are_near() {
        let known = [
            "nginx",
            "htop",
            "btop",
            "postgresql",
            "git",
            "jq",
            "python3",
            "libc6",
            "vim",
        ];
        for (unknown, expected) in [
            ("ngnix", &["near ngnix nginx"][..]),
            ("ginx", &["near ginx nginx"]),
            ("nginx-", &["near nginx- nginx"]),
            ("htpo", &["near htpo htop"]),
            ("hto.", &["near hto. htop"]),
            ("atop", &["near atop htop", "near atop btop"]),
            ("postgrseql", &["near postgrseql postgresql"]),
            ("postgres", &["near postgres postgresql"]),
            ("python", &["near python python3"]),
            ("gti", &["near gti git"]),
            ("nothing-like-it", &[]),
            // Too short for two slips.
            ("vmi2", &[]),
        ] {
            assert_eq!(near(&[unknown], &known), expected, "{unknown}");
        }
        let both = near(&["ngnix", "htpo"], &known);
        assert_eq!(both, ["near ngnix nginx", "near htpo htop"]);
    }
}

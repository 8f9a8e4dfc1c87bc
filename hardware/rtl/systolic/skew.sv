// A triangle of registers: lane i leaves i cycles after it entered.
module skew #(
    parameter int N = 4,  // lanes
    parameter int W = 8   // bits of a lane
) (
    input  logic           clk,      // clock
    input  logic [N*W-1:0] aligned,  // lane i at [i*W +: W]
    output logic [N*W-1:0] skewed    // lane i, i cycles later, same place
);
  for (genvar i = 0; i < N; i++) begin : g_lane
    if (i == 0) assign skewed[W-1:0] = aligned[W-1:0];
    else begin : g_delay
      logic [i*W-1:0] stages;
      always_ff @(posedge clk) stages <= (i * W)'({stages, aligned[i*W+:W]});
      assign skewed[i*W+:W] = stages[(i-1)*W+:W];
    end
  end
endmodule
